#include <cblas.h>
#include <lapacke.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/solvers/solver_ops.h"

// LAPACK's matrices are column-major. A row-major matrix is the transpose of what it sees, so each solver
// asks for the factorisation of the transpose whose factors, read row-major, are the wanted ones: nothing is
// ever copied to turn.
namespace cce {
namespace cpu_ops {
namespace {

lapack_int lapack_size(std::int64_t n) {
  return static_cast<lapack_int>(n);
}

[[noreturn]] void refuse_convergence(const char* operation, lapack_int info) {
  const bool not_finite = info < 0;
  throw Error{.code = ErrorCode::not_converged,
              .where = operation,
              .found = not_finite ? "a matrix with elements that are not finite"
                                  : "LAPACK info " + std::to_string(info),
              .expected = {},
              .remedy = not_finite ? "" : "Check that the matrix is of reasonable scale"};
}

/// Copies the upper triangle onto the lower one (or the other way round), leaving a symmetric matrix.
void mirror(Matrix a, bool from_upper) {
  double* data = a.as<double>();
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      double& lower = data[i * a.stride + j];
      double& upper = data[j * a.stride + i];
      (from_upper ? lower : upper) = from_upper ? upper : lower;
    }
  }
}

void solve_triangle(ConstMatrix lower, Transpose transpose, Matrix right_side) {
  cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, transpose == Transpose::yes ? CblasTrans : CblasNoTrans,
              CblasNonUnit, lapack_size(right_side.rows), lapack_size(right_side.cols), 1.0,
              lower.as<double>(), lapack_size(lower.stride), right_side.as<double>(),
              lapack_size(right_side.stride));
}

}  // namespace

std::optional<std::int64_t> cholesky(CpuBackend& cpu, Matrix a) {
  if (a.empty()) {
    return std::nullopt;
  }
  cpu.use_threads_in_blas();
  const lapack_int info =
      LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', lapack_size(a.rows), a.as<double>(), lapack_size(a.stride));
  if (info > 0) {
    return info - 1;
  }
  double* data = a.as<double>();
  for (std::int64_t i = 0; i < a.rows; ++i) {
    const double pivot = data[i * a.stride + i];
    if (!(pivot > 0.0) || !std::isfinite(pivot)) {
      return i;
    }
    std::fill(data + i * a.stride + i + 1, data + i * a.stride + a.cols, 0.0);
  }
  return std::nullopt;
}

void triangular_solve(CpuBackend& cpu, ConstMatrix lower, Transpose transpose, Matrix right_side) {
  if (right_side.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  solve_triangle(lower, transpose, right_side);
}

void cholesky_solve(CpuBackend& cpu, ConstMatrix factor, Matrix right_side) {
  if (right_side.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  solve_triangle(factor, Transpose::no, right_side);
  solve_triangle(factor, Transpose::yes, right_side);
}

void cholesky_inverse(CpuBackend& cpu, Matrix factor) {
  if (factor.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  const lapack_int info = LAPACKE_dpotri_work(LAPACK_COL_MAJOR, 'U', lapack_size(factor.rows),
                                              factor.as<double>(), lapack_size(factor.stride));
  if (info != 0) {
    throw Error{.code = ErrorCode::not_positive_definite,
                .where = "cholesky_inverse",
                .found = "a zero on the factor's diagonal, row " + std::to_string(info - 1),
                .expected = "a factor from cholesky",
                .remedy = {}};
  }
  mirror(factor, false);
}

void eigen_symmetric(CpuBackend& cpu, Matrix a, Matrix values) {
  if (a.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  const lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'U', lapack_size(a.rows), a.as<double>(),
                                         lapack_size(a.stride), values.as<double>());
  if (info != 0) {
    refuse_convergence("eigen_symmetric", info);
  }
  // Row i now holds the eigenvector of the i-th smallest value. Turned about the diagonal and then left to
  // right, it becomes column n − 1 − i.
  double* data = a.as<double>();
  for (std::int64_t i = 0; i < a.rows; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      std::swap(data[i * a.stride + j], data[j * a.stride + i]);
    }
  }
  for (std::int64_t i = 0; i < a.rows; ++i) {
    std::reverse(data + i * a.stride, data + i * a.stride + a.cols);
  }
  std::reverse(values.as<double>(), values.as<double>() + values.cols);
}

void eigenvalues_symmetric(CpuBackend& cpu, Matrix a, Matrix values) {
  if (a.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  const lapack_int info = LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'N', 'U', lapack_size(a.rows), a.as<double>(),
                                         lapack_size(a.stride), values.as<double>());
  if (info != 0) {
    refuse_convergence("eigenvalues_symmetric", info);
  }
  std::reverse(values.as<double>(), values.as<double>() + values.cols);
}

void singular_values(CpuBackend& cpu, Matrix a, Matrix u, Matrix values, Matrix v_transposed) {
  if (a.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  // Aᵀ = V Σ Uᵀ: its left factor, read row-major, is Vᵀ and its right one U.
  const lapack_int info =
      LAPACKE_dgesdd(LAPACK_COL_MAJOR, 'S', lapack_size(a.cols), lapack_size(a.rows), a.as<double>(),
                     lapack_size(a.stride), values.as<double>(), v_transposed.as<double>(),
                     lapack_size(v_transposed.stride), u.as<double>(), lapack_size(u.stride));
  if (info != 0) {
    refuse_convergence("singular_values", info);
  }
}

void qr(CpuBackend& cpu, Matrix a, Matrix r) {
  if (a.empty()) {
    return;
  }
  cpu.use_threads_in_blas();
  // Aᵀ = L Q′ gives A = Q′ᵀ Lᵀ: Q′ read row-major is Q and L is R.
  std::vector<double> reflectors(static_cast<std::size_t>(a.cols));
  const lapack_int n = lapack_size(a.cols), m = lapack_size(a.rows), stride = lapack_size(a.stride);
  if (const lapack_int info =
          LAPACKE_dgelqf(LAPACK_COL_MAJOR, n, m, a.as<double>(), stride, reflectors.data());
      info != 0) {
    refuse_convergence("qr", info);
  }
  for (std::int64_t i = 0; i < r.rows; ++i) {
    double* row = r.as<double>() + i * r.stride;
    std::fill(row, row + i, 0.0);
    std::copy(a.as<double>() + i * a.stride + i, a.as<double>() + i * a.stride + a.cols, row + i);
  }
  if (const lapack_int info =
          LAPACKE_dorglq(LAPACK_COL_MAJOR, n, m, n, a.as<double>(), stride, reflectors.data());
      info != 0) {
    refuse_convergence("qr", info);
  }
}

}  // namespace cpu_ops

const SolverOps& cpu_solver_ops() {
  static constexpr SolverOps table{
      .cholesky = OpEntry<CpuBackend, cpu_ops::cholesky>::call,
      .cholesky_solve = OpEntry<CpuBackend, cpu_ops::cholesky_solve>::call,
      .cholesky_inverse = OpEntry<CpuBackend, cpu_ops::cholesky_inverse>::call,
      .triangular_solve = OpEntry<CpuBackend, cpu_ops::triangular_solve>::call,
      .eigen_symmetric = OpEntry<CpuBackend, cpu_ops::eigen_symmetric>::call,
      .eigenvalues_symmetric = OpEntry<CpuBackend, cpu_ops::eigenvalues_symmetric>::call,
      .singular_values = OpEntry<CpuBackend, cpu_ops::singular_values>::call,
      .qr = OpEntry<CpuBackend, cpu_ops::qr>::call};
  return table;
}

}  // namespace cce
