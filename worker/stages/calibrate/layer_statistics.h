#pragma once
#include <cstdint>
#include <optional>

#include "common/cost/stage_sizes.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// Sums over tokens for one sub-block with features f (1 × n) and gradient g (1 × d) at the stream after it
/// (docs/method.md 3.3), in the backend's kept_sum_dtype, held by the layer's owner.
struct SubBlockStatistics {
  OwnedMatrix weighted_covariance;  ///< Σ ‖g‖² fᵀ f, n × n
  OwnedMatrix covariance;           ///< Σ fᵀ f, n × n
  OwnedMatrix feature_sum;          ///< Σ f, 1 × n
  OwnedMatrix gradient_covariance;  ///< Σ gᵀ g, d × d; its trace is Σ ‖g‖²
};

struct LayerStatistics {
  SubBlockStatistics attention, ffn;
  OwnedMatrix pair_covariance;  ///< Σ pᵀ p over the rotary pairs of all groups, (G qk_dim / 2)²
};

/// Zeroed sums for one layer of the dense model.
LayerStatistics make_layer_statistics(Backend& backend, const LayerShape& shape, std::int64_t hidden_size);

/// The sums of one visit to one layer on one rank, f32, laid out in one span so that one reduction brings
/// them to the owner. Reused from layer to layer; one thread.
class StatisticsBuffer {
 public:
  /// Room for the largest layer of the dense model and for the micro-batches of these sizes.
  StatisticsBuffer(StageContext& context, const cost::CalibrateSizes& sizes);

  void start_layer(const LayerShape& shape);
  /// Adds one micro-batch: features tokens × n (compute dtype), gradient tokens × d and pair_products f32.
  void add_attention(ConstMatrix features, ConstMatrix gradient, ConstMatrix pair_products);
  void add_ffn(ConstMatrix features, ConstMatrix gradient);
  /// Collective: sums over ranks in rank order and adds to the owner's `total` (made on its first sum).
  void reduce_into(StageContext& context, std::int64_t layer, std::optional<LayerStatistics>& total);

 private:
  struct Part {
    Matrix weighted_covariance, covariance, feature_sum, gradient_covariance;
  };
  Part carve(std::int64_t features, float*& next);
  void add_sub_block(Part& part, ConstMatrix features, ConstMatrix gradient);
  void add_part(const Part& part, SubBlockStatistics& total);

  Backend& backend_;
  DType compute_dtype_;
  std::int64_t hidden_;
  std::int64_t used_floats_ = 0;
  OwnedMatrix storage_;
  Part attention_, ffn_;
  Matrix pair_covariance_;
  OwnedMatrix scaled_features_, narrow_gradient_, row_norms_;
};

}  // namespace cce
