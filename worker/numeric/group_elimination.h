#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "worker/numeric/elimination_curve.h"
#include "worker/tensor/backend.h"

namespace cce {

struct GroupEliminationOptions {
  double ridge_lambda = 1e-3;       ///< λ: C_λ = C + λ diag C
  std::int64_t minimum_groups = 0;  ///< stop when so many groups are left
  double nats_per_unit = 1.0;       ///< multiplies every cost
};

/// Greedy elimination of whole groups of features (docs/method.md 3.3: a KV group goes with all its heads'
/// outputs).
///   1. X = C_λ⁻¹
///   2. cost_g = ½ tr(W̃_gᵀ (X_gg)⁻¹ W̃_g) = ½ ‖L_g⁻¹ W̃_g‖²_F with X_gg = L_g L_gᵀ, for every group that is
///      left
///   3. remove the cheapest: U = L_g⁻¹ X_g:, X ← X − Uᵀ U, W̃ ← W̃ − Uᵀ L_g⁻¹ W̃_g
/// covariance = C_O, n × n; weighted_outputs = W̃, n × d; f64, only read. groups[g]: the features of group g;
/// groups do not overlap. Units of the curve are groups. Features in no group always stay. Errors:
/// shape_mismatch; out_of_range (feature, overlap, minimum_groups); not_positive_definite.
EliminationCurve eliminate_groups(Backend& backend, ConstMatrix covariance, ConstMatrix weighted_outputs,
                                  std::span<const std::vector<std::int32_t>> groups,
                                  const GroupEliminationOptions& options);

}  // namespace cce
