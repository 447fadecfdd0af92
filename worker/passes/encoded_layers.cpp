#include "worker/passes/encoded_layers.h"

#include <utility>

#include "worker/passes/layer_store.h"

namespace cce {

EncodedLayers::EncodedLayers(const StageContext& context, const ModelConfig& compressed,
                             std::string fingerprint, Stage stage)
    : context_(context), compressed_(compressed), fingerprint_(std::move(fingerprint)), stage_(stage) {}

std::size_t EncodedLayers::packed_bytes(std::int64_t layer) const {
  return packed_layer_bytes(compressed_.layers[static_cast<std::size_t>(layer)], compressed_.hidden_size,
                            context_.compute_dtype);
}

void EncodedLayers::pack(std::int64_t layer, std::span<std::byte> destination) {
  pack_host_layer(load(layer), compressed_.hidden_size, context_.compute_dtype, destination);
}

std::filesystem::path EncodedLayers::state_folder(const std::string& name) const {
  const auto folder = context_.job.find_state(name, fingerprint_);
  if (!folder) {
    throw Error{.code = ErrorCode::missing_file,
                .where = (context_.job.state_root() / name).string(),
                .found = "nothing of this job",
                .expected = std::string("what ").append(stage_name(stage_)).append(" leaves there"),
                .remedy = "Run: cce resume " + context_.job.root().string()};
  }
  return *folder;
}

HostLayer EncodedLayers::load(std::int64_t layer) const {
  return read_layer(context_.files, state_folder(layer_state_name(stage_name(stage_), layer)) / "layer.f32",
                    compressed_.layers[static_cast<std::size_t>(layer)], compressed_.hidden_size);
}

double EncodedLayers::output_scale() const {
  const HostMatrix scale = read_matrix(context_.files, state_folder(output_scale_state) / "scale.f32", 1, 1);
  return static_cast<double>(scale.values.front());
}

HostMatrix EncodedLayers::final_norm() const {
  if (stage_ == Stage::finetune) {
    return read_matrix(context_.files, state_folder(final_norm_state) / "final_norm.f32", 1,
                       compressed_.hidden_size);
  }
  HostMatrix gain(1, compressed_.hidden_size);
  context_.checkpoint.read(TensorRole::final_norm, -1, DType::f32,
                           std::as_writable_bytes(std::span(gain.values)));
  const double scale = output_scale();
  for (float& value : gain.values) {
    value = static_cast<float>(static_cast<double>(value) * scale);
  }
  return gain;
}

}  // namespace cce
