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
/// needs too. Keeps the dense angles and the last table asked for of each of the model's rotary settings. One thread at
/// a time.
class RopeTables {
 public:
  RopeTables(Backend& backend, const ModelConfig& config);

  /// cos and sin for positions [0, length') with length' ≥ length, columns as RopeTable says, by the frequencies of
  /// a text of `length` positions. Valid until the next call. Errors: shape_mismatch when rope_pairs does not fit the
  /// shape or names a pair that the dense head lacks; invalid_argument for a layer without rotary positions.
  RopeTable for_layer(const LayerShape& shape, std::int64_t length);

 private:
  /// Of one of the model's rotary settings.
  struct Angles {
    RopeSettings rope;
    std::vector<float> frequencies;
    std::int64_t frequencies_length = 1;  ///< a text that they are for
    std::int64_t length = 0;              ///< positions in cos, sin and the table
    std::vector<float> cos, sin;          ///< of the dense head: length × head_dim / 2
    OwnedRopeTable table;                 ///< the last one asked for
    std::vector<std::int32_t> columns;    ///< of it
  };
  void use_frequencies_of(Angles& angles, std::int64_t length) const;
  static void extend(Angles& angles, std::int64_t length);
  OwnedMatrix select(const Angles& angles, const std::vector<float>& dense) const;

  Backend& backend_;
  std::int64_t head_dim_;
  std::vector<Angles> angles_;  ///< as ModelConfig::ropes
};

}  // namespace cce
