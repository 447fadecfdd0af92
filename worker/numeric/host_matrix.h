#pragma once
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "worker/tensor/backend.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/matrix.h"

namespace cce {

/// Helpers for f64 matrices. Functions of this folder that take a backend take matrices in its memory,
/// wherever that is; those that take none work on host memory.

/// Errors: shape_mismatch unless the view is f64 of that shape.
void expect_f64(ConstMatrix matrix, std::int64_t rows, std::int64_t cols, std::string_view where);

/// A row in host memory.
inline const double* row_of(ConstMatrix matrix, std::int64_t row) {
  return matrix.as<double>() + row * matrix.stride;
}
inline double* row_of(Matrix matrix, std::int64_t row) {
  return matrix.as<double>() + row * matrix.stride;
}

OwnedMatrix copy_f64(Backend& backend, ConstMatrix source);
/// source[rows, :]. Errors: out_of_range.
OwnedMatrix select_rows(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows);
/// source[rows, cols]. Errors: out_of_range.
OwnedMatrix select_block(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                         std::span<const std::int32_t> cols);

/// Σ_i a_i b_i, in eight partial sums (a fixed order that vectorises).
double dot(const double* a, const double* b, std::int64_t count);
/// Σ_ij a_ij b_ij, row by row by `dot`, on the host.
double inner_product(Backend& backend, ConstMatrix a, ConstMatrix b);

/// The diagonal of a square matrix, and its replacement.
std::vector<double> diagonal_of(Backend& backend, ConstMatrix square);
void set_diagonal(Backend& backend, Matrix square, std::span<const double> values);

/// A copy of a covariance with its diagonal raised: C_jj ← (1 + λ) C_jj. The shift is relative to each
/// feature, so that a few massive activations do not set it for all. Features without variance (C_jj ≤ 10⁻²⁴
/// max C_jj) get 10⁻¹² max C_jj, which keeps the matrix factorisable at no visible cost. Errors:
/// shape_mismatch; not_positive_definite when no feature has variance.
OwnedMatrix regularized_covariance(Backend& backend, ConstMatrix covariance, double ridge_lambda);

/// Whether feature j of this covariance has no variance by the rule above; `largest` = max_j C_jj.
bool is_dead(double variance, double largest);
/// max_j C_jj, at least 0, of a covariance's diagonal. Errors: not_positive_definite when an entry is not
/// finite.
double largest_of_diagonal(std::span<const double> diagonal);

/// Cholesky in place that throws. Errors: not_positive_definite (found: the row of the pivot).
void cholesky_or_throw(Backend& backend, Matrix matrix, std::string_view where, std::string_view remedy);

}  // namespace cce
