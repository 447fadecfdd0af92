#pragma once
#include <cstdint>

#include "worker/tensor/backend.h"

namespace cce {

/// Second moments of a stream of features. Products of one micro-batch are summed in f32 by the backend,
/// micro-batches in f64 in the order of the calls (docs/method.md 3): the same calls give the same bits. One
/// thread at a time; the backend must outlive it. Memory: 12 n² bytes.
class GramAccumulator {
 public:
  GramAccumulator(Backend& backend, std::int64_t features);

  /// Σ f fᵀ, Σ f and the number of tokens. features f32 or bf16, tokens × n. Errors: shape_mismatch.
  void add(ConstMatrix features);

  std::int64_t tokens() const { return tokens_; }
  Matrix gram() { return gram_.view(); }                ///< Σ f fᵀ, n × n, f64
  Matrix feature_sum() { return feature_sum_.view(); }  ///< Σ f, 1 × n, f64

 private:
  Backend& backend_;
  OwnedMatrix gram_;
  OwnedMatrix feature_sum_;
  OwnedMatrix micro_batch_gram_;
  OwnedMatrix micro_batch_sum_;
  std::int64_t tokens_ = 0;
};

/// C̄ = Σ f fᵀ / T − f̄ f̄ᵀ, f64. gram n × n, feature_sum 1 × n, both f64 or f32; tokens = T ≥ 1.
/// Errors: shape_mismatch, out_of_range.
OwnedMatrix centred_covariance(Backend& backend, ConstMatrix gram, ConstMatrix feature_sum,
                               std::int64_t tokens);

}  // namespace cce
