#pragma once
#include "worker/tensor/backend.h"

namespace cce {

/// ρ(W) = ‖W‖_* / ‖W‖_F: between 1 (rank one) and √(smaller side) (all singular values equal).
struct NuclearRatio {
  double ratio = 0.0;  ///< 0 where W = 0
  double nuclear = 0.0, frobenius = 0.0;
};

/// One matrix' part of L_reg = Σ ‖W‖_* / ‖W‖_F (docs/method.md 3.5), with its polar factor P = U Vᵀ:
///   ‖W‖_* = ⟨W, P⟩,  gradient ← gradient + scale (P / ‖W‖_F − ‖W‖_* W / ‖W‖_F³).
/// weights and polar any, gradient f32, all of one shape; gradient may be empty. P may be some steps old: ⟨W,
/// P⟩ is then a lower bound of ‖W‖_* that is off to second order in the change of W. Three passes over W.
/// Errors: shape_mismatch, unsupported.
NuclearRatio add_nuclear_ratio(Backend& backend, ConstMatrix weights, ConstMatrix polar, double scale,
                               Matrix gradient);

}  // namespace cce
