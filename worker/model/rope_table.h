#pragma once
#include <cstdint>
#include <vector>

#include "common/model/model_config.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/blocks/block_ops.h"

namespace cce {

/// Angular frequencies of the dense head's rotary pairs, radians per position, head_dim / 2 of them, in f32
/// as transformers computes them: f_j = 1 / θ^(2j / head_dim). With Llama-3 scaling (s = factor, n = original
/// positions, λ_j = 2π / f_j): f_j where λ_j < n / high_freq_factor; f_j / s where λ_j > n / low_freq_factor;
/// between them (1 − m) f_j / s + m f_j with m = (n / λ_j − low) / (high − low).
std::vector<float> rope_frequencies(const ModelConfig& config);

/// The rotation angles of one layer in a backend's memory.
struct OwnedRopeTable {
  OwnedMatrix cos, sin;
  RopeTable view() const { return {cos.view(), sin.view()}; }
};

/// Rope tables of a model's layers, made on demand. Dense layers share one; a layer with its own rope_pairs
/// selects those columns. Keeps the dense angles and the last table asked for. One thread at a time.
class RopeTables {
 public:
  RopeTables(Backend& backend, const ModelConfig& config);

  /// cos and sin for positions [0, length') with length' ≥ length, columns as RopeTable says. Valid until the
  /// next call. Errors: shape_mismatch when rope_pairs does not fit the shape or names a pair that the dense
  /// head lacks.
  RopeTable for_layer(const LayerShape& shape, std::int64_t length);

 private:
  void extend_dense_angles(std::int64_t length);

  Backend& backend_;
  std::vector<float> frequencies_;
  std::int64_t length_ = 0;                   ///< positions in dense_cos_ and the current table
  std::vector<float> dense_cos_, dense_sin_;  ///< length × head_dim / 2
  OwnedRopeTable current_;
  std::vector<std::int32_t> current_columns_;
};

}  // namespace cce
