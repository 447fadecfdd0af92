#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "worker/numeric/similarity.h"
#include "worker/tensor/backend.h"

namespace cce {

/// L_sim (docs/method.md 3.5) within one kind of sub-block: the mean of S(i, j)² over all pairs i < j that
/// share a cluster, S(i, j) = ⟨K_i, K_j⟩ / (‖K_i‖ ‖K_j‖) from all sub-blocks' signatures (L × size, f64;
/// every rank has all of them). Returns it, and writes d_signatures (L × size, f64, may be empty):
/// ∂L_sim/∂K_k in row k, zero rows for sub-blocks without a partner or with a zero signature. No pairs: 0.
/// Work: 4 L_cluster² size flops. Both matrices lie in host memory. Errors: shape_mismatch, out_of_range (a
/// cluster's member).
double similarity_loss(ConstMatrix signatures, std::span<const std::vector<std::int32_t>> clusters,
                       Matrix d_signatures);

/// [Φ₁ Φ₂] of a sketch in f32, shared by all sub-blocks that are trained: d × 2s; empty where exact.
class SketchMaps {
 public:
  SketchMaps(Backend& backend, const SimilaritySketch& sketch);
  bool exact() const { return maps_.rows() == 0; }
  std::int64_t size() const { return size_; }  ///< numbers of a signature
  ConstMatrix maps() const { return maps_.view(); }

 private:
  std::int64_t size_;
  OwnedMatrix maps_;
};

/// One sub-block's way from output weights to signature and back while it is trained. Holds its frozen
/// centred covariance C̄; its owner has one per trained sub-block. Products in f32. Memory: n² + 2 n s numbers
/// of f32.
class SketchedWeights {
 public:
  /// covariance n × n, f32 or f64 (copied); `maps` must outlive this object.
  SketchedWeights(Backend& backend, const SketchMaps& maps, ConstMatrix covariance);

  /// K̂ = Φ₁ᵀ Wᵀ C̄ W Φ₂ (K where the sketch is exact), W = weightsᵀ: weights as LayerWeights store them, out ×
  /// in = d × n, f32; target 1 × size, f64. Work: 4 n s (d + n) + 2 n s² flops.
  void signature(ConstMatrix weights, Matrix target);
  /// gradient ← gradient + scale ∂ℓ/∂weights for D = ∂ℓ/∂K̂ (1 × size, f64) at the weights of the last
  /// `signature`: (C̄ W Φ₂ Dᵀ Φ₁ᵀ + C̄ W Φ₁ D Φ₂ᵀ)ᵀ. gradient f32, d × n. Errors: invalid_argument before any
  /// `signature`.
  void add_gradient(ConstMatrix d_signature, double scale, Matrix gradient);

 private:
  Backend& backend_;
  const SketchMaps& maps_;
  OwnedMatrix covariance_;  ///< C̄
  OwnedMatrix images_;      ///< C̄ W [Φ₁ Φ₂] of the last signature, n × 2s (n × d where exact)
};

}  // namespace cce
