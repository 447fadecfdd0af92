#pragma once
#include <cstdint>
#include <vector>

#include "common/model/model_config.h"
#include "worker/tensor/backend.h"
#include "worker/tensor/ops/blocks/block_ops.h"

namespace cce {

/// The rotation angles of one layer in a backend's memory.
struct OwnedRopeTable {
  OwnedMatrix cos, sin;
  RopeTable view() const { return {cos.view(), sin.view()}; }
};

/// Rope tables of a model's layers, made on demand. Dense layers share one; a layer with its own rope_pairs
/// selects those columns. Cosines and sines carry the scaling's attention factor, which turning back (the transpose)
/// needs too. Keeps the dense angles and the last table asked for. One thread at a time.
class RopeTables {
 public:
  RopeTables(Backend& backend, const ModelConfig& config);

  /// cos and sin for positions [0, length') with length' ≥ length, columns as RopeTable says, by the frequencies of
  /// a text of `length` positions. Valid until the next call. Errors: shape_mismatch when rope_pairs does not fit the shape or names a pair that the dense
  /// head lacks.
  RopeTable for_layer(const LayerShape& shape, std::int64_t length);

 private:
  void use_frequencies_of(std::int64_t length);
  void extend_dense_angles(std::int64_t length);

  Backend& backend_;
  RopeSettings rope_;
  std::int64_t head_dim_;
  std::vector<float> frequencies_;
  std::int64_t frequencies_length_ = 1;       ///< a text that they are for
  std::int64_t length_ = 0;                   ///< positions in dense_cos_ and the current table
  std::vector<float> dense_cos_, dense_sin_;  ///< length × head_dim / 2
  OwnedRopeTable current_;
  std::vector<std::int32_t> current_columns_;
};

}  // namespace cce
