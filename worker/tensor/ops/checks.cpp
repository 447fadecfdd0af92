#include "worker/tensor/ops/checks.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

std::string place(const char* operation, const char* operand) {
  return std::string(operation) + ", " + operand;
}

}  // namespace

void refuse_shape(const char* operation, const char* operand, std::string found, std::string expected) {
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = place(operation, operand),
              .found = std::move(found),
              .expected = std::move(expected),
              .remedy = {}};
}

void check_shape(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                 std::int64_t cols) {
  if (matrix.rows != rows || matrix.cols != cols) {
    refuse_shape(operation, operand, shape_text(matrix.rows, matrix.cols), shape_text(rows, cols));
  }
  if (rows < 0 || cols < 0) {
    refuse_shape(operation, operand, shape_text(rows, cols), "sizes of at least 0");
  }
  if (matrix.rows > 1 && matrix.stride < matrix.cols) {
    refuse_shape(operation, operand, "stride " + std::to_string(matrix.stride),
                 "at least " + std::to_string(matrix.cols));
  }
  if (matrix.data == nullptr && !matrix.empty()) {
    refuse_shape(operation, operand, "no data", shape_text(rows, cols));
  }
}

void check_dtype(const char* operation, const char* operand, const ConstMatrix& matrix,
                 std::initializer_list<DType> allowed) {
  if (std::find(allowed.begin(), allowed.end(), matrix.dtype) != allowed.end()) {
    return;
  }
  std::string expected;
  for (const DType dtype : allowed) {
    expected += (expected.empty() ? "" : " or ") + std::string(name(dtype));
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = place(operation, operand),
              .found = std::string(name(matrix.dtype)),
              .expected = expected,
              .remedy = {}};
}

void check_activation(const char* operation, const char* operand, const ConstMatrix& matrix) {
  check_dtype(operation, operand, matrix, {DType::f32, DType::bf16});
}

void check_activations(const char* operation, std::initializer_list<NamedOperand> operands, std::int64_t rows,
                       std::int64_t cols) {
  for (const auto& [name, matrix] : operands) {
    check_activation(operation, name, matrix);
    check_shape(operation, name, matrix, rows, cols);
  }
}

void check_single(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                  std::int64_t cols) {
  check_dtype(operation, operand, matrix, {DType::f32});
  check_shape(operation, operand, matrix, rows, cols);
}

}  // namespace cce
