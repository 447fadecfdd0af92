#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// The signature of a sub-block in the residual basis that all layers share (docs/method.md 3.1):
///   K = Wᵀ C̄ W, d × d; for d > s, s = 256, K̂ = Φ₁ᵀ K Φ₂ = (W Φ₁)ᵀ C̄ (W Φ₂), s × s,
/// Φ₁, Φ₂ d × s with independent entries N(0, 1/s) of (seed, streams 1 and 2), the same for every layer, so
/// that E⟨K̂_i, K̂_j⟩ = ⟨K_i, K_j⟩ (one Φ on both sides would be biased by tr K_i tr K_j / s).
class SimilaritySketch {
 public:
  /// hidden_size = d ≥ 1.
  SimilaritySketch(Backend& backend, std::int64_t hidden_size, std::uint64_t seed);

  /// s² where sketched, d² where K itself is kept: what one sub-block contributes to the shared buffer.
  std::int64_t size() const { return width_ * width_; }
  bool exact() const { return left_.rows() == 0; }
  /// output_weights = W, n × d (in × out); covariance = C̄, n × n; f64. target 1 × size(), f64, is
  /// overwritten. Work: 2 n² s + 4 n d s flops. Errors: shape_mismatch.
  void apply(Backend& backend, ConstMatrix output_weights, ConstMatrix covariance, Matrix target) const;

  ConstMatrix left() const { return left_.view(); }    ///< Φ₁, d × s; empty when exact
  ConstMatrix right() const { return right_.view(); }  ///< Φ₂

 private:
  std::int64_t hidden_size_;
  std::int64_t width_;
  OwnedMatrix left_;
  OwnedMatrix right_;
};

/// S(i, j) = ⟨K_i, K_j⟩ / (‖K_i‖ ‖K_j‖) within one kind. signatures L × size, f64 (rows filled by their
/// owners, summed over ranks). S(i, i) = 1; 0 against a signature that is zero. Returns S, L × L, symmetric
/// to the bit.
OwnedMatrix similarity_matrix(Backend& backend, ConstMatrix signatures);

/// Average-linkage clusters: the two clusters with the highest mean similarity are merged while it is ≥
/// threshold (ties: the lower indices). Every layer is in one cluster; members ascend, clusters by first
/// member. The matrix lies in host memory, here and below.
std::vector<std::vector<std::int32_t>> cluster_by_similarity(ConstMatrix similarity, double threshold);

/// 1 − κ max_{j ≠ k in the cluster of k} S(j, k), within [0, 1]; 1 for a layer alone. κ = weight in [0, 1].
/// Errors: out_of_range.
std::vector<double> similarity_cost_factors(ConstMatrix similarity,
                                            std::span<const std::vector<std::int32_t>> clusters,
                                            double weight);

}  // namespace cce
