#pragma once
#include <array>
#include <cstdint>

#include "worker/comm/communicator.h"
#include "worker/numeric/ridge.h"
#include "worker/tensor/backend.h"

namespace cce {

/// The sums of one refit (docs/method.md 3.4) over this rank's tokens, then over all: Fᵀ Ω F, Fᵀ Ω Y and what
/// a constant feature adds to them. Products in f32 within a micro-batch, micro-batches in f64 in order. One
/// f64 span, so that one reduction brings it to the owner. Reused; one thread.
class RefitSums {
 public:
  /// Room for the widest features and for micro-batches of max_tokens.
  RefitSums(Backend& backend, DType compute_dtype, std::int64_t widest_features, std::int64_t hidden_size,
            std::int64_t max_tokens);

  void start(std::int64_t features);
  /// Adds one micro-batch: features tokens × n (compute dtype), targets y tokens × d (f32), weights_root √ω_t
  /// (f32, 1 × tokens).
  void add(ConstMatrix features, ConstMatrix targets, ConstMatrix weights_root);
  /// Collective: the sum over ranks, in rank order, at `owner`.
  void reduce(Communicator& communicator, int owner);

  /// The sums with the constant feature as row and column n where with_bias, in new matrices. On the owner,
  /// after reduce.
  struct Assembled {
    OwnedMatrix gram, cross;
    double target_energy = 0.0;
    RidgeSums view() const { return {gram.view(), cross.view(), target_energy}; }
  };
  Assembled assemble(bool with_bias) const;

 private:
  Matrix part(std::int64_t offset, std::int64_t rows, std::int64_t cols) const;

  Backend& backend_;
  DType compute_dtype_;
  std::int64_t hidden_;
  std::int64_t features_ = 0;
  OwnedMatrix totals_;
  Matrix gram_, cross_, feature_sum_, target_sum_, scalars_;  ///< scalars: Σ ω, Σ ω ‖y‖²
  std::array<double, 2> host_scalars_{};                      ///< the same, added up on the host
  OwnedMatrix scaled_features_, scaled_targets_, batch_gram_, batch_cross_, batch_sums_, squared_norms_;
};

}  // namespace cce
