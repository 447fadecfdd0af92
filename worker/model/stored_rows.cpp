#include "worker/model/stored_rows.h"

#include <algorithm>
#include <vector>

#include "common/model/checkpoint/fp8.h"
#include "worker/model/element_conversion.h"

namespace cce {
namespace {

constexpr std::int64_t chunk_elements = std::int64_t{1} << 16;

DType dtype_of(const StoredTensor& tensor) {
  return tensor.values.dtype == "F32" ? DType::f32 : tensor.values.dtype == "F16" ? DType::f16 : DType::bf16;
}

void read_fp8_rows(const StoredTensor& tensor, std::int64_t first, std::int64_t rows, DType dtype,
                   std::span<std::byte> target) {
  const std::int64_t cols = stored_columns(tensor);
  const std::int64_t step = std::clamp<std::int64_t>(chunk_elements / cols, 1, rows);
  std::vector<float> values(static_cast<std::size_t>(step * cols));
  for (std::int64_t row = 0; row < rows; row += step) {
    const auto count = static_cast<std::size_t>(std::min(step, rows - row) * cols);
    const auto begin = static_cast<std::size_t>(row * cols) * size_in_bytes(dtype);
    dequantize_rows(tensor, first + row, std::min(step, rows - row), std::span(values).first(count));
    convert_elements(std::as_bytes(std::span(values).first(count)), DType::f32,
                     target.subspan(begin, count * size_in_bytes(dtype)), dtype);
  }
}

}  // namespace

std::int64_t stored_columns(const StoredTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}

std::int64_t stored_rows(const StoredTensor& tensor) {
  return tensor.shape.size() == 2 ? tensor.shape.front() : 1;
}

void read_rows(const StoredTensor& tensor, std::int64_t first, std::int64_t rows, DType dtype,
               std::span<std::byte> target) {
  if (is_fp8(tensor.values.dtype)) {
    return read_fp8_rows(tensor, first, rows, dtype, target);
  }
  const DType stored = dtype_of(tensor);
  const std::size_t row_bytes = static_cast<std::size_t>(stored_columns(tensor)) * size_in_bytes(stored);
  convert_elements(tensor.values.bytes.subspan(static_cast<std::size_t>(first) * row_bytes,
                                               static_cast<std::size_t>(rows) * row_bytes),
                   stored, target, dtype);
}

}  // namespace cce
