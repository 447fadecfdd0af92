#include "worker/passes/checkpoint_layers.h"

#include "worker/tensor/host_access.h"

namespace cce {

CheckpointLayers::CheckpointLayers(const Checkpoint& checkpoint, DType compute_dtype)
    : checkpoint_(checkpoint), compute_dtype_(compute_dtype) {}

std::size_t CheckpointLayers::packed_bytes(std::int64_t layer) const {
  const ModelConfig& config = checkpoint_.config();
  return packed_layer_bytes(config.layers[static_cast<std::size_t>(layer)], config.hidden_size,
                            compute_dtype_);
}

void CheckpointLayers::pack(std::int64_t layer, std::span<std::byte> destination) {
  checkpoint_.pack_layer(layer, compute_dtype_, destination);
}

LayerWeights CheckpointLayers::view(std::int64_t layer, std::span<const std::byte> packed) const {
  const ModelConfig& config = checkpoint_.config();
  return view_packed_layer(config.layers[static_cast<std::size_t>(layer)], config.hidden_size, compute_dtype_,
                           packed);
}

Buffer pack_on_backend(Backend& backend, LayerSource& source, std::int64_t layer) {
  Buffer packed = backend.allocate(source.packed_bytes(layer));
  const std::span<std::byte> bytes(static_cast<std::byte*>(packed.data()), packed.bytes());
  HostEdit host(backend, bytes_view(bytes), HostEdit::Start::uninitialised);
  source.pack(layer, {host.view().as<std::byte>(), packed.bytes()});
  host.write_back();
  return packed;
}

}  // namespace cce
