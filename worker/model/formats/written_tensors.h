#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "common/model/architecture.h"
#include "worker/model/checkpoint_writer.h"

namespace cce {

/// One tensor of a result: its place in the model that is written, and the layer it comes from.
struct WrittenTensor {
  TensorSpec spec;
  std::int64_t source_layer = -1;  ///< of the model in memory; -1 outside the layers
  DType dtype = DType::bf16;
  std::int64_t bytes = 0;  ///< in that dtype
};

/// What a format writes of a model: layers without either block are left out where it drops them.
struct WrittenModel {
  ModelConfig config;
  std::vector<WrittenTensor> tensors;  ///< in the order of computing
};
/// `dtype_of`: what a tensor of this kind is stored as.
WrittenModel written_model(const ModelConfig& config, ExportFormat format, DType (*dtype_of)(PartKind, DType),
                           DType dtype);

/// What a tensor holds: outside the layers the final norm is a gain, the rest matrices.
PartKind kind_of(TensorRole role);

/// Gives each tensor's bytes in the dtype that is written, asking for each layer once. `contents` must outlive it.
class WrittenTensorReader {
 public:
  explicit WrittenTensorReader(const CheckpointContents& contents) : contents_(contents) {}

  /// Valid until the next call. Errors: out_of_range for a number that the dtype rounds to infinity,
  /// verification_failed for what was not finite before, shape_mismatch for a layer that is not as the config says.
  std::span<std::byte> read(const WrittenTensor& tensor);

 private:
  void fill(const WrittenTensor& tensor);
  void convert(const HostMatrix& source, const WrittenTensor& tensor);

  const CheckpointContents& contents_;
  std::int64_t current_ = -1;
  HostLayer layer_;
  std::vector<std::byte> bytes_;
};

}  // namespace cce
