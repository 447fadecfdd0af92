#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include "common/base/file.h"
#include "common/model/architecture.h"
#include "common/model/checkpoint/checkpoint_files.h"
#include "common/model/model_config.h"
#include "worker/model/layer_weights.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Parameters outside the layers, in a backend's memory. A tied head shares the embedding's bytes.
struct EndWeights {
  OwnedMatrix embedding;   ///< V × d, compute dtype
  OwnedMatrix final_norm;  ///< 1 × d, f32
  OwnedMatrix own_head;    ///< V × d, compute dtype; empty where tied

  ConstMatrix head() const { return own_head.rows() > 0 ? own_head.view() : embedding.view(); }
};

/// A Hugging Face folder whose weights are read into memory that computes. Threads may share it; the matrices
/// it makes belong to the caller.
class Checkpoint {
 public:
  /// Errors: those of CheckpointFiles::open, which checks everything before anything is computed.
  static Checkpoint open(const FileSystem& files, const std::filesystem::path& folder);

  const ModelConfig& config() const { return files_.config(); }
  const std::string& config_text() const { return files_.config_text(); }  ///< config.json as it was read
  const std::filesystem::path& folder() const { return files_.folder(); }
  std::int64_t tensor_bytes() const { return files_.tensor_bytes(); }
  /// Whether the head is one of its own although config.json ties it.
  bool has_own_head() const { return files_.has_own_head(); }

  /// Fills a block of packed_layer_bytes(shape of `layer`, hidden size, compute_dtype) with the layer's
  /// parameters, matrices rounded to nearest even for bf16. Errors: out_of_range, shape_mismatch (block too
  /// small).
  void pack_layer(std::int64_t layer, DType compute_dtype, std::span<std::byte> block) const;

  /// Copies one tensor to host memory as f32, bf16 or f16; `target` holds exactly its elements. The numbers are those
  /// that are computed with (common/model/stored_form.h).
  void read(TensorRole role, std::int64_t layer, DType dtype, std::span<std::byte> target) const;
  /// The same numbers as they stand in the file.
  void read_stored(TensorRole role, std::int64_t layer, DType dtype, std::span<std::byte> target) const;

  OwnedMatrix embedding(Backend& backend, DType dtype) const;
  OwnedMatrix final_norm(Backend& backend) const;
  /// The tied embedding where the checkpoint has no head of its own.
  OwnedMatrix head(Backend& backend, DType dtype) const;
  EndWeights end_weights(Backend& backend, DType dtype) const;

 private:
  explicit Checkpoint(CheckpointFiles files) : files_(std::move(files)) {}
  const StoredTensor& tensor(TensorRole role, std::int64_t layer) const;
  OwnedMatrix load(Backend& backend, TensorRole role, DType dtype) const;

  CheckpointFiles files_;
};

}  // namespace cce
