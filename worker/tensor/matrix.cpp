#include "worker/tensor/matrix.h"

#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

std::string range_text(std::int64_t first, std::int64_t count) {
  return std::to_string(count) + " from " + std::to_string(first);
}

/// Throws unless [row, row + row_count) × [col, col + col_count) lies inside the matrix.
void check_block(const ConstMatrix& matrix, std::int64_t row, std::int64_t col, std::int64_t row_count,
                 std::int64_t col_count) {
  const bool inside = row >= 0 && row_count >= 0 && row_count <= matrix.rows - row && col >= 0 &&
                      col_count >= 0 && col_count <= matrix.cols - col;
  if (!inside) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "block of a matrix",
                .found = "rows: " + range_text(row, row_count) + ", columns: " + range_text(col, col_count),
                .expected = "inside " + std::to_string(matrix.rows) + " x " + std::to_string(matrix.cols),
                .remedy = {}};
  }
}

std::size_t byte_offset(const ConstMatrix& matrix, std::int64_t row, std::int64_t col) {
  return static_cast<std::size_t>(row * matrix.stride + col) * size_in_bytes(matrix.dtype);
}

}  // namespace

ConstMatrix ConstMatrix::block(std::int64_t row, std::int64_t col, std::int64_t row_count,
                               std::int64_t col_count) const {
  check_block(*this, row, col, row_count, col_count);
  if (row_count == 0 || col_count == 0) {
    return {nullptr, dtype, row_count, col_count, stride};
  }
  return {static_cast<const std::byte*>(data) + byte_offset(*this, row, col), dtype, row_count, col_count,
          stride};
}

Matrix Matrix::block(std::int64_t row, std::int64_t col, std::int64_t row_count,
                     std::int64_t col_count) const {
  check_block(*this, row, col, row_count, col_count);
  if (row_count == 0 || col_count == 0) {
    return {nullptr, dtype, row_count, col_count, stride};
  }
  return {static_cast<std::byte*>(data) + byte_offset(*this, row, col), dtype, row_count, col_count, stride};
}

}  // namespace cce
