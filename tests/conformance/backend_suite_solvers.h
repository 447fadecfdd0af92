#pragma once
#include <limits>

#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

inline double one_norm(const Dense& a) {
  double largest = 0.0;
  for (std::int64_t j = 0; j < a.cols; ++j) {
    double total = 0.0;
    for (std::int64_t i = 0; i < a.rows; ++i) {
      total += std::abs(a(i, j));
    }
    largest = std::max(largest, total);
  }
  return largest;
}

inline Dense subtract(Dense a, const Dense& b) {
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    a.values[i] -= b.values[i];
  }
  return a;
}

inline Dense identity(std::int64_t n) {
  Dense result(n, n);
  for (std::int64_t i = 0; i < n; ++i) {
    result(i, i) = 1.0;
  }
  return result;
}

/// ‖found − expected‖₁ / (n ε scale): a backward-stable solver keeps it at a few units.
inline double residual(const Dense& found, const Dense& expected, double scale) {
  return one_norm(subtract(found, expected)) /
         (static_cast<double>(expected.rows) * std::numeric_limits<double>::epsilon() * scale);
}

/// XᵀX + ridge I: positive definite, of condition about n / ridge.
inline Dense positive_definite(std::int64_t n, double ridge) {
  const Dense x = wave_matrix(n, n, 11);
  Dense result = reference::multiply(reference::transpose(x), x);
  for (std::int64_t i = 0; i < n; ++i) {
    result(i, i) += ridge;
  }
  return result;
}

struct SolverRow {
  const char* name;
  std::int64_t n;
  double ridge;
};
inline constexpr SolverRow solver_rows[] = {
    {"one", 1, 1.0}, {"five", 5, 0.1}, {"well_conditioned", 97, 10.0}, {"ill_conditioned", 97, 1e-9}};
inline constexpr double largest_residual = 10.0;

TEST_P(BackendSuite, cholesky_and_solves_leave_small_residuals) {
  for (const SolverRow& row : solver_rows) {
    SCOPED_TRACE(row.name);
    Dense a = positive_definite(row.n, row.ridge), b = wave_matrix(row.n, 7, 3);
    Guarded factor = put(DType::f64, a), x = put(DType::f64, b), forward = put(DType::f64, b);
    ASSERT_EQ(ops::cholesky(backend(), factor), std::nullopt);
    const Dense lower = factor.get();
    for (std::int64_t i = 0; i < row.n; ++i) {
      for (std::int64_t j = i + 1; j < row.n; ++j) {
        EXPECT_EQ(lower(i, j), 0.0);
      }
    }
    EXPECT_LE(residual(reference::multiply(lower, reference::transpose(lower)), a, one_norm(a)),
              largest_residual);
    ops::cholesky_solve(backend(), factor, x);
    const Dense solution = x.get();
    EXPECT_LE(residual(reference::multiply(a, solution), b, one_norm(a) * one_norm(solution)),
              largest_residual);
    ops::triangular_solve(backend(), factor, Transpose::no, forward);
    const Dense half = forward.get();
    EXPECT_LE(residual(reference::multiply(lower, half), b, one_norm(lower) * one_norm(half)),
              largest_residual);
    ops::triangular_solve(backend(), factor, Transpose::yes, forward);
    EXPECT_LE(residual(reference::multiply(reference::transpose(lower), forward.get()), half,
                       one_norm(lower) * one_norm(solution)),
              largest_residual);
    ops::cholesky_inverse(backend(), factor);
    const Dense inverse = factor.get();
    EXPECT_LE(residual(reference::multiply(a, inverse), identity(row.n), one_norm(a) * one_norm(inverse)),
              largest_residual);
    EXPECT_EQ(inverse.values, reference::transpose(inverse).values);
  }
}

TEST_P(BackendSuite, cholesky_names_the_row_that_is_not_positive) {
  const std::int64_t n = 40;
  for (const std::int64_t bad : {std::int64_t{0}, std::int64_t{13}, n - 1}) {
    Dense indefinite = positive_definite(n, 5.0);
    indefinite(bad, bad) = -1.0;
    Guarded a = put(DType::f64, indefinite);
    EXPECT_EQ(ops::cholesky(backend(), a), bad);
    a.get();
    Dense broken = positive_definite(n, 5.0);
    broken(bad, bad) = std::nan("");
    Guarded with_nan = put(DType::f64, broken);
    EXPECT_TRUE(ops::cholesky(backend(), with_nan).has_value());
  }
  Dense zeros(3, 3);
  Guarded singular = put(DType::f64, zeros);
  EXPECT_EQ(ops::cholesky(backend(), singular), 0);
}

TEST_P(BackendSuite, eigen_symmetric_rebuilds_the_matrix) {
  for (const std::int64_t n : {1, 2, 33, 80}) {
    SCOPED_TRACE(n);
    Dense a = wave_matrix(n, n, 5);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        a(i, j) = a(j, i);
      }
    }
    Guarded vectors = put(DType::f64, a), values = make(DType::f64, 1, n);
    Guarded destroyed = put(DType::f64, a), alone = make(DType::f64, 1, n);
    ops::eigen_symmetric(backend(), vectors, values);
    ops::eigenvalues_symmetric(backend(), destroyed, alone);
    destroyed.get();
    const Dense v = vectors.get(), lambda = values.get(), same = alone.get();
    Dense scaled = v;
    for (std::int64_t j = 0; j < n; ++j) {
      EXPECT_TRUE(j == 0 || lambda(0, j - 1) >= lambda(0, j));
      EXPECT_NEAR(same(0, j), lambda(0, j), 1e-13 * one_norm(a));
      for (std::int64_t i = 0; i < n; ++i) {
        scaled(i, j) *= lambda(0, j);
      }
    }
    EXPECT_LE(residual(reference::multiply(scaled, reference::transpose(v)), a, one_norm(a)),
              largest_residual);
    EXPECT_LE(residual(reference::multiply(reference::transpose(v), v), identity(n), 1.0), largest_residual);
  }
}

TEST_P(BackendSuite, singular_values_rebuild_the_matrix) {
  const std::pair<std::int64_t, std::int64_t> sizes[] = {{1, 1}, {30, 17}, {17, 30}, {64, 64}, {5, 200}};
  for (const auto& [rows, cols] : sizes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(cols));
    const std::int64_t rank = std::min(rows, cols);
    Dense a = wave_matrix(rows, cols, 6);
    Guarded device = put(DType::f64, a), u = make(DType::f64, rows, rank), values = make(DType::f64, 1, rank);
    Guarded v_transposed = make(DType::f64, rank, cols);
    ops::singular_values(backend(), device, u, values, v_transposed);
    device.get();
    Dense left = u.get();
    const Dense sigma = values.get(), right = v_transposed.get();
    EXPECT_LE(residual(reference::multiply(reference::transpose(left), left), identity(rank), 1.0),
              largest_residual);
    EXPECT_LE(residual(reference::multiply(right, reference::transpose(right)), identity(rank), 1.0),
              largest_residual);
    for (std::int64_t j = 0; j < rank; ++j) {
      EXPECT_TRUE(sigma(0, j) >= 0.0 && (j == 0 || sigma(0, j - 1) >= sigma(0, j)));
      for (std::int64_t i = 0; i < rows; ++i) {
        left(i, j) *= sigma(0, j);
      }
    }
    EXPECT_LE(residual(reference::multiply(left, right), a, one_norm(a)), largest_residual);
  }
}

TEST_P(BackendSuite, qr_rebuilds_the_matrix) {
  const std::pair<std::int64_t, std::int64_t> sizes[] = {{1, 1}, {30, 17}, {40, 40}, {200, 5}};
  for (const auto& [rows, cols] : sizes) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(cols));
    Dense a = wave_matrix(rows, cols, 7);
    Guarded device = put(DType::f64, a), upper = make(DType::f64, cols, cols);
    ops::qr(backend(), device, upper);
    const Dense q = device.get(), r = upper.get();
    EXPECT_LE(residual(reference::multiply(reference::transpose(q), q), identity(cols), 1.0),
              largest_residual);
    EXPECT_LE(residual(reference::multiply(q, r), a, one_norm(a)), largest_residual);
    for (std::int64_t i = 0; i < cols; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        EXPECT_EQ(r(i, j), 0.0);
      }
    }
  }
}

TEST_P(BackendSuite, solvers_refuse_what_is_not_finite) {
  Dense a = identity(6);
  a(2, 2) = std::nan("");
  Guarded vectors = put(DType::f64, a), values = make(DType::f64, 1, 6), same = put(DType::f64, a);
  Guarded u = make(DType::f64, 6, 6), v = make(DType::f64, 6, 6), general = put(DType::f64, a);
  expect_error(ErrorCode::not_converged, [&] { ops::eigen_symmetric(backend(), vectors, values); });
  expect_error(ErrorCode::not_converged, [&] { ops::eigenvalues_symmetric(backend(), same, values); });
  expect_error(ErrorCode::not_converged, [&] { ops::singular_values(backend(), general, u, values, v); });
}

TEST_P(BackendSuite, solvers_refuse_bad_arguments) {
  Guarded square = make(DType::f64, 4, 4), wide = make(DType::f64, 4, 5), single = make(DType::f32, 4, 4);
  Guarded values = make(DType::f64, 1, 4), tall = make(DType::f64, 5, 4), row = make(DType::f64, 1, 5);
  expect_error(ErrorCode::shape_mismatch, [&] { (void)ops::cholesky(backend(), wide); });
  expect_error(ErrorCode::unsupported, [&] { (void)ops::cholesky(backend(), single); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::cholesky_solve(backend(), square, tall); });
  expect_error(ErrorCode::shape_mismatch,
               [&] { ops::triangular_solve(backend(), square, Transpose::no, tall); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::eigen_symmetric(backend(), square, row); });
  expect_error(ErrorCode::unsupported, [&] { ops::eigenvalues_symmetric(backend(), single, values); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::qr(backend(), wide, square); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::singular_values(backend(), tall, tall, row, square); });
}

}  // namespace cce::backend_suite
