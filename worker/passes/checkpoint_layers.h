#pragma once
#include <span>

#include "worker/model/checkpoint.h"
#include "worker/model/layer_weights.h"
#include "worker/passes/layer_stream.h"

namespace cce {

/// The layers of a checkpoint, packed in the compute dtype, as a LayerStream asks for them.
class CheckpointLayers : public LayerSource {
 public:
  /// `checkpoint` must outlive it.
  CheckpointLayers(const Checkpoint& checkpoint, DType compute_dtype);

  std::size_t packed_bytes(std::int64_t layer) const override;
  void pack(std::int64_t layer, std::span<std::byte> destination) override;
  /// The views of a packed layer.
  LayerWeights view(std::int64_t layer, std::span<const std::byte> packed) const;

 private:
  const Checkpoint& checkpoint_;
  DType compute_dtype_;
};

/// A layer packed into new memory of the backend, and that memory's bytes.
Buffer pack_on_backend(Backend& backend, LayerSource& source, std::int64_t layer);
inline std::span<const std::byte> bytes_of(const Buffer& packed) {
  return {static_cast<const std::byte*>(packed.data()), packed.bytes()};
}

}  // namespace cce
