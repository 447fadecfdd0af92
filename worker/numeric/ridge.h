#pragma once
#include <span>
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// The sums over tokens that a refit needs; views, all f64.
struct RidgeSums {
  ConstMatrix gram;            ///< Fᵀ Ω F, n × n
  ConstMatrix cross;           ///< Fᵀ Ω Y, n × d
  double target_energy = 0.0;  ///< Σ_t ω_t ‖y_t‖²: makes errors absolute; no choice depends on it
};

struct RidgeSolution {
  OwnedMatrix weights;        ///< W, n × d
  double ridge_lambda = 0.0;  ///< the λ that was used at last
  int times_raised = 0;       ///< tenfold raises after failed factorisations: worth an event when > 0
  std::vector<double> heldout_errors;  ///< of each candidate, where λ was chosen (estimates where d > 128)
};

/// Refits output weights with a pull towards a prior (docs/method.md 3.4).
///   W = argmin Σ_t ω_t ‖f_t W − y_t‖² + ‖Λ^½ (W − W_0)‖²,  Λ = λ diag(Fᵀ Ω F)
///   1. A = Fᵀ Ω F + Λ   2. B = Fᵀ Ω Y + Λ W_0   3. solve A W = B by Cholesky
/// gram n × n, cross n × d, prior = W_0 n × d, all f64, only read. ridge_lambda > 0, no unit. A feature that
/// is always zero keeps its prior (its Λ is λ 10⁻¹² of the largest diagonal). Returns W, n × d.
/// Work: n³/3 + 2 n² d flops.
/// Errors: shape_mismatch; out_of_range (ridge_lambda); not_positive_definite (found: pivot; remedy: ten
/// times ridge_lambda).
OwnedMatrix solve_ridge(Backend& backend, ConstMatrix gram, ConstMatrix cross, ConstMatrix prior,
                        double ridge_lambda);

/// solve_ridge, with λ raised tenfold while the factorisation fails, at most `most_raises` times.
RidgeSolution solve_ridge_raising(Backend& backend, ConstMatrix gram, ConstMatrix cross, ConstMatrix prior,
                                  double ridge_lambda, int most_raises = 6);

/// Σ_t ω_t ‖f_t W − y_t‖² = tr(Wᵀ A W) − 2 tr(Wᵀ B) + E of other tokens' sums. Work: 2 n² d flops.
double ridge_error(Backend& backend, ConstMatrix weights, const RidgeSums& sums);

/// Chooses λ among `candidates` by the error on held-out tokens (ties: the earlier). Held-out tokens stay out
/// of the solution: the next sub-block's choice is made on the same ones, and would be made on fitted data
/// otherwise.
///   1. W_λ on `training` for each λ   2. error of W_λ on `heldout`   3. W on `training` with the best λ
/// Deterministic; candidates in order of preference. One candidate skips 1 and 2.
/// Errors: those of solve_ridge; out_of_range when there are no candidates.
RidgeSolution refit_outputs(Backend& backend, const RidgeSums& training, const RidgeSums& heldout,
                            ConstMatrix prior, std::span<const double> candidates);

}  // namespace cce
