#pragma once
#include <cstdint>
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// The directions of one KV group's value space, by what dropping them costs (docs/method.md 3.3, V/O
/// dimensions). In × out: head h of the R heads that share the group's values adds o_h W_O,h to the stream,
/// o_h 1 × vo, W_O,h vo × d. Replacing o_h by o_h Π loses, head by head (cross-head terms left out),
///   ½ Σ_h tr(S_g ΔW_hᵀ E[o_hᵀ o_h] ΔW_h),  ΔW_h = (I − Π) W_O,h.
/// With one second moment for every head, G = (1/R) Σ_h E[o_hᵀ o_h] + λ diag, this is
///   ½ tr((I − Π)ᵀ G (I − Π) M),  M = Σ_h W_O,h S_g W_O,hᵀ,
/// whose minimum over Π of rank r is ½ Σ_{i>r} σ_i². G is a mean because each head sees one G, M a sum
/// because the heads' losses add up: no factor R is left, and the unit is that of S_g (nats per token).
struct HeadSpectrum {
  OwnedMatrix lower;                  ///< L, G = L Lᵀ, vo × vo
  OwnedMatrix directions;             ///< U as columns, Lᵀ M L = U Σ² Uᵀ, vo × vo
  std::vector<double> squared_sigma;  ///< σ_i² ≥ 0, descending
  /// ½ Σ_{i ≥ rank} σ_i² (i from 0). Errors: out_of_range.
  double cost_at(std::int64_t rank) const;
};

/// M = Σ_h W̃_h W̃_hᵀ. weighted_outputs: W̃_h = W_O,h S_g^½ of the group's R heads below one another, (R vo) ×
/// d, f64.
OwnedMatrix output_metric(Backend& backend, ConstMatrix weighted_outputs, std::int64_t vo_dim);

///   1. G + λ diag = L Lᵀ   2. Lᵀ M L = U Σ² Uᵀ
/// second_moment = (1/R) Σ_h E[o_hᵀ o_h] without the ridge, vo × vo; metric = M, vo × vo; f64, only read.
/// Errors: shape_mismatch, not_positive_definite, not_converged.
HeadSpectrum factor_value_output(Backend& backend, ConstMatrix second_moment, ConstMatrix metric,
                                 double ridge_lambda);

/// The two maps of a group cut to rank r: W_V' = W_V Q̄ (bias alike), W_O,h' = T W_O,h.
struct HeadProjection {
  OwnedMatrix value_map;   ///< Q̄, vo × r, orthonormal columns
  OwnedMatrix output_map;  ///< T = R̄ U_rᵀ Lᵀ, r × vo
};

///   L⁻ᵀ U_r = Q̄ R̄ (thin QR), T = R̄ U_rᵀ Lᵀ; Q̄ T = L⁻ᵀ U_r U_rᵀ Lᵀ = Π
/// Errors: out_of_range unless 1 ≤ rank ≤ vo.
HeadProjection project_head(Backend& backend, const HeadSpectrum& spectrum, std::int64_t rank);

/// The value map on a matrix as checkpoints store it, out × in, the transpose of the above: v_proj rows of the
/// group, vo × d → Q̄ᵀ v, r × d (a bias as vo × 1 → r × 1).
OwnedMatrix project_value_rows(Backend& backend, const HeadProjection& projection, ConstMatrix value);

}  // namespace cce
