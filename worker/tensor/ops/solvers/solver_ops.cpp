#include "worker/tensor/ops/solvers/solver_ops.h"

#include <algorithm>

namespace cce {
namespace {

void check_f64(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
               std::int64_t cols) {
  check_dtype(operation, operand, matrix, {DType::f64});
  check_shape(operation, operand, matrix, rows, cols);
}

}  // namespace

void check_square(const char* operation, const char* operand, const ConstMatrix& matrix) {
  check_f64(operation, operand, matrix, matrix.rows, matrix.rows);
}

void check_triangle(const char* operation, const char* operand, const ConstMatrix& triangle,
                    const ConstMatrix& right_side) {
  check_square(operation, operand, triangle);
  check_f64(operation, "right_side", right_side, triangle.rows, right_side.cols);
}

void check_eigen(const char* operation, const ConstMatrix& a, const ConstMatrix& values) {
  check_square(operation, "a", a);
  check_f64(operation, "values", values, 1, a.rows);
}

void check_singular_values(const ConstMatrix& a, const ConstMatrix& u, const ConstMatrix& values,
                           const ConstMatrix& v_transposed) {
  constexpr const char* operation = "singular_values";
  const std::int64_t rank = std::min(a.rows, a.cols);
  check_f64(operation, "a", a, a.rows, a.cols);
  check_f64(operation, "u", u, a.rows, rank);
  check_f64(operation, "values", values, 1, rank);
  check_f64(operation, "v_transposed", v_transposed, rank, a.cols);
}

void check_qr(const ConstMatrix& a, const ConstMatrix& r) {
  check_f64("qr", "a", a, std::max(a.rows, a.cols), a.cols);
  check_f64("qr", "r", r, a.cols, a.cols);
}

}  // namespace cce
