#pragma once
#include <cstdint>
#include <optional>

#include "worker/tensor/ops/checks.h"
#include "worker/tensor/ops/products/product_ops.h"

namespace cce {

/// How a backend factorises and solves, all f64; the functions below check the operands.
struct SolverOps {
  std::optional<std::int64_t> (*cholesky)(Backend& backend, Matrix a);
  void (*cholesky_solve)(Backend& backend, ConstMatrix factor, Matrix right_side);
  void (*cholesky_inverse)(Backend& backend, Matrix factor);
  void (*triangular_solve)(Backend& backend, ConstMatrix lower, Transpose transpose, Matrix right_side);
  void (*eigen_symmetric)(Backend& backend, Matrix a, Matrix values);
  void (*eigenvalues_symmetric)(Backend& backend, Matrix a, Matrix values);
  void (*singular_values)(Backend& backend, Matrix a, Matrix u, Matrix values, Matrix v_transposed);
  void (*qr)(Backend& backend, Matrix a, Matrix r);
};

template <template <auto> class Wrap>
constexpr SolverOps wrapped_solver_ops() {
  return {.cholesky = Wrap<&SolverOps::cholesky>::call,
          .cholesky_solve = Wrap<&SolverOps::cholesky_solve>::call,
          .cholesky_inverse = Wrap<&SolverOps::cholesky_inverse>::call,
          .triangular_solve = Wrap<&SolverOps::triangular_solve>::call,
          .eigen_symmetric = Wrap<&SolverOps::eigen_symmetric>::call,
          .eigenvalues_symmetric = Wrap<&SolverOps::eigenvalues_symmetric>::call,
          .singular_values = Wrap<&SolverOps::singular_values>::call,
          .qr = Wrap<&SolverOps::qr>::call};
}
const SolverOps& cpu_solver_ops();
const SolverOps& cuda_solver_ops();

void check_square(const char* operation, const char* operand, const ConstMatrix& matrix);
/// A square triangle and a right side with as many rows.
void check_triangle(const char* operation, const char* operand, const ConstMatrix& triangle,
                    const ConstMatrix& right_side);
/// A square matrix and a row for its eigenvalues.
void check_eigen(const char* operation, const ConstMatrix& a, const ConstMatrix& values);
void check_singular_values(const ConstMatrix& a, const ConstMatrix& u, const ConstMatrix& values,
                           const ConstMatrix& v_transposed);
void check_qr(const ConstMatrix& a, const ConstMatrix& r);

namespace ops {

/// A = L Lᵀ in place (lower; the strict upper triangle is zeroed). Returns the first row whose pivot is not
/// positive, A then being garbage; nothing on success.
[[nodiscard]] inline std::optional<std::int64_t> cholesky(Backend& backend, Matrix a) {
  check_square("cholesky", "a", a);
  return backend.ops().solvers->cholesky(backend, a);
}

/// B ← (L Lᵀ)⁻¹ B.
inline void cholesky_solve(Backend& backend, ConstMatrix factor, Matrix right_side) {
  check_triangle("cholesky_solve", "factor", factor, right_side);
  backend.ops().solvers->cholesky_solve(backend, factor, right_side);
}

/// A⁻¹ (both triangles) from L, in place.
inline void cholesky_inverse(Backend& backend, Matrix factor) {
  check_square("cholesky_inverse", "factor", factor);
  backend.ops().solvers->cholesky_inverse(backend, factor);
}

/// B ← L⁻¹ B, or L⁻ᵀ B with Transpose::yes.
inline void triangular_solve(Backend& backend, ConstMatrix lower, Transpose transpose, Matrix right_side) {
  check_triangle("triangular_solve", "lower", lower, right_side);
  backend.ops().solvers->triangular_solve(backend, lower, transpose, right_side);
}

/// A = V diag(values) Vᵀ, values descending (1 × n), eigenvectors as columns of V in place of A.
/// Errors: not_converged.
inline void eigen_symmetric(Backend& backend, Matrix a, Matrix values) {
  check_eigen("eigen_symmetric", a, values);
  backend.ops().solvers->eigen_symmetric(backend, a, values);
}

/// Eigenvalues alone, descending; A is destroyed.
inline void eigenvalues_symmetric(Backend& backend, Matrix a, Matrix values) {
  check_eigen("eigenvalues_symmetric", a, values);
  backend.ops().solvers->eigenvalues_symmetric(backend, a, values);
}

/// A (m × n) = U diag(values) Vᵀ thin: U m × k, values 1 × k descending, V_transposed k × n, k = min(m, n);
/// A is destroyed. Errors: not_converged.
inline void singular_values(Backend& backend, Matrix a, Matrix u, Matrix values, Matrix v_transposed) {
  check_singular_values(a, u, values, v_transposed);
  backend.ops().solvers->singular_values(backend, a, u, values, v_transposed);
}

/// A = Q R thin (m ≥ n): Q in place of A, R n × n upper.
inline void qr(Backend& backend, Matrix a, Matrix r) {
  check_qr(a, r);
  backend.ops().solvers->qr(backend, a, r);
}

}  // namespace ops

}  // namespace cce
