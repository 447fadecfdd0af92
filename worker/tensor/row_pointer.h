#pragma once
#include <cstddef>

#include "worker/tensor/matrix.h"

namespace cce {

/// The first byte of a row of a matrix of any dtype.
inline std::byte* row_of(const Matrix& matrix, std::int64_t row) {
  return matrix.as<std::byte>() + static_cast<std::size_t>(row * matrix.stride) * size_in_bytes(matrix.dtype);
}
inline const std::byte* row_of(const ConstMatrix& matrix, std::int64_t row) {
  return matrix.as<std::byte>() + static_cast<std::size_t>(row * matrix.stride) * size_in_bytes(matrix.dtype);
}

/// The first byte of element (row, col).
inline std::byte* element_of(const Matrix& matrix, std::int64_t row, std::int64_t col) {
  return row_of(matrix, row) + static_cast<std::size_t>(col) * size_in_bytes(matrix.dtype);
}
inline const std::byte* element_of(const ConstMatrix& matrix, std::int64_t row, std::int64_t col) {
  return row_of(matrix, row) + static_cast<std::size_t>(col) * size_in_bytes(matrix.dtype);
}

}  // namespace cce
