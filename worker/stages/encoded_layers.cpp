#include "worker/stages/encoded_layers.h"

#include <utility>

#include "worker/stages/layer_store.h"

namespace cce {

EncodedLayers::EncodedLayers(const StageContext& context, const ModelConfig& compressed,
                             std::string fingerprint)
    : context_(context), compressed_(compressed), fingerprint_(std::move(fingerprint)) {}

std::size_t EncodedLayers::packed_bytes(std::int64_t layer) const {
  return packed_layer_bytes(compressed_.layers[static_cast<std::size_t>(layer)], compressed_.hidden_size,
                            context_.compute_dtype);
}

void EncodedLayers::pack(std::int64_t layer, std::span<std::byte> destination) {
  pack_host_layer(load(layer), compressed_.hidden_size, context_.compute_dtype, destination);
}

HostLayer EncodedLayers::load(std::int64_t layer) const {
  const std::string name = layer_state_name("encode", layer);
  const auto folder = context_.job.find_state(name, fingerprint_);
  if (!folder) {
    throw Error{.code = ErrorCode::missing_file,
                .where = (context_.job.state_root() / name).string(),
                .found = "no encoded layer of this job",
                .expected = "what encode leaves there",
                .remedy = "run: cce resume " + context_.job.root().string()};
  }
  return read_layer(context_.files, *folder / "layer.f32",
                    compressed_.layers[static_cast<std::size_t>(layer)], compressed_.hidden_size);
}

}  // namespace cce
