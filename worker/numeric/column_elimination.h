#pragma once
#include <cstdint>

#include "worker/numeric/elimination_curve.h"
#include "worker/tensor/backend.h"

namespace cce {

struct EliminationOptions {
  std::int64_t block = 16;         ///< b: features removed per blocked step; 1 is the exact greedy order
  double ridge_lambda = 1e-3;      ///< λ: C_λ = C + λ diag C
  std::int64_t minimum_width = 0;  ///< stop when so many features are left
  double nats_per_unit = 1.0;      ///< multiplies every cost
};

/// Greedy elimination of features under the loss's quadratic form (docs/method.md 3.3; optimal brain surgeon
/// on columns). Removing the set E and refitting the rest costs
///   ½ tr(S_g ΔWᵀ C_λ ΔW) = ½ tr(W̃_Eᵀ ([C_λ⁻¹]_EE)⁻¹ W̃_E),  C_λ = C + λ diag C,  W̃ = W S_g^½.
///   1. features without variance go first, at cost 0
///   2. X = C_λ⁻¹, by Cholesky
///   3. per step: score_j = ½ ‖w̃_j‖² / X_jj; c = the 4b lowest
///   4. P = X_cc, Q = W̃_c W̃_cᵀ; b times: a = argmin ½ Q_aa / P_aa, cost += ½ Q_aa / P_aa, p = P_:a / P_aa,
///      Q ← (I − p e_aᵀ) Q (I − p e_aᵀ)ᵀ, P ← P − p P_a:
///   5. U = chol(X_aa)⁻¹ X_a:, X ← X − Uᵀ U, W̃ ← W̃ − Uᵀ chol(X_aa)⁻¹ W̃_a, a now the b picked features
/// Steps 5 together are a pivoted Cholesky factorisation of X, done from the left: X − Uᵀ U is formed only
/// where it is read (its diagonal, the candidates' block, the picked rows), a third of the work and no large
/// writes.
///
/// covariance = C, m × m; weighted_outputs = W̃, m × d; both f64 and only read. Gradients of a loss summed
/// over tokens in S_g make the unit nats per token (nats_per_unit = 1). Work: m³ (inverse) + m³/3 + 16 b m² +
/// m² d flops, 8 (m² + m d) bytes. Ties go to the lower index. Errors: shape_mismatch; out_of_range (block,
/// minimum_width); not_positive_definite.
EliminationCurve eliminate_columns(Backend& backend, ConstMatrix covariance, ConstMatrix weighted_outputs,
                                   const EliminationOptions& options);

}  // namespace cce
