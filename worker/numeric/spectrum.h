#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "worker/tensor/backend.h"

namespace cce {

/// The `count` largest eigenvalues of a positive semidefinite matrix (n × n, f64, only read), descending, for
/// reports. n ≤ 2 count: exact. Else block subspace iteration (Halko, Martinsson, Tropp 2011, algorithm 4.4):
/// `iterations` products with a basis of count + 32 seeded Gaussian vectors, each orthonormalised, then
/// Rayleigh-Ritz. Ritz values never exceed the eigenvalues; the leading ones have all their digits, the last
/// few fall short by some per cent where the spectrum is flat. Work: 2 n² (count + 32) (iterations + 1) flops
/// at matrix-product speed, where a full tridiagonalisation is limited by memory bandwidth.
/// Errors: shape_mismatch, out_of_range, not_converged.
std::vector<double> leading_eigenvalues(Backend& backend, ConstMatrix matrix, std::int64_t count,
                                        int iterations = 3);

/// All eigenvalues, descending; what threshold mode needs.
std::vector<double> all_eigenvalues(Backend& backend, ConstMatrix matrix);

/// The paper's rule (docs/method.md 3.2): component i of a sub-block is redundant where
///   eigenvalue_i / eigenvalue_0 < ε  and  singular_i < τ layer_largest_singular.
/// Components are paired by rank: both lists descend; singular values beyond their list's end are 0 (W̃, n ×
/// d, has min(n, d) of them). layer_largest_singular: the largest over the sub-blocks of the layer. A
/// component is a direction, not a neuron: the count tells how many neurons (or value dimensions) go, and the
/// elimination order of the sub-block tells which, the rest being refitted. Errors: out_of_range unless 0 ≤
/// ε, τ ≤ 1.
std::int64_t count_redundant(std::span<const double> eigenvalues, std::span<const double> singular_values,
                             double layer_largest_singular, double epsilon, double tau);

}  // namespace cce
