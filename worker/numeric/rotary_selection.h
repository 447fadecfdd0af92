#pragma once
#include <span>
#include <vector>

#include "worker/numeric/elimination_curve.h"
#include "worker/tensor/matrix.h"

namespace cce {

/// Greedy order in which one KV group gives up its rotary pairs (docs/method.md 3.3). Zeroing the pairs J of
/// q moves the loss, to second order in the Gauss-Newton model, by ½ E[(Σ_{j∈J} p_j)²] = ½ 1ᵀ P_JJ 1, p_t,j
/// the sum over the group's heads and both dimensions of q ∂ℓ/∂q. Each step removes the pair with the
/// smallest increment ½ P_jj + Σ_{i∈J} P_ij; increments may be negative, where pairs cancel. moment = P = E[p
/// pᵀ], n × n, f64 (n pairs). The moment lies in host memory. All n pairs are ordered. Ties go to the lower
/// index. Errors: shape_mismatch.
EliminationCurve order_rotary_pairs(ConstMatrix moment, double nats_per_unit);

}  // namespace cce
