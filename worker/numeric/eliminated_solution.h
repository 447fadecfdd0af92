#pragma once
#include <cstdint>
#include <span>

#include "worker/tensor/backend.h"

namespace cce {

/// W_0, the output weights that the survivors S need once the other features are gone (docs/method.md 3.3):
/// the minimiser of tr((W − P_S W_0)ᵀ C_λ (W − P_S W_0)), whatever S_g is.
///   W_0 = [C_λ]_SS⁻¹ [C_λ]_S: W = W_S + [C_λ]_SS⁻¹ C_SR W_R,  C_λ = C + λ diag C, R the removed features
/// covariance = C, m × m; output_weights = W, m × d (not loss-weighted); survivors ascending, without
/// repeats. Returns W_0, |S| × d. Reads its arguments only. Work: |S|³/3 + 2 |S| |R| d + 2 |S|² d flops.
/// Errors: shape_mismatch; out_of_range (survivors); not_positive_definite.
OwnedMatrix eliminated_solution(Backend& backend, ConstMatrix covariance, ConstMatrix output_weights,
                                std::span<const std::int32_t> survivors, double ridge_lambda);

}  // namespace cce
