#include "worker/tensor/ops/selections/selection_ops.h"

#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

void check_indices(const char* operation, const char* list, std::span<const std::int32_t> indices,
                   std::int64_t limit) {
  for (const std::int32_t index : indices) {
    if (index < 0 || index >= limit) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = std::string(operation) + ", " + list,
                  .found = "index " + std::to_string(index),
                  .expected = "0 to " + std::to_string(limit - 1),
                  .remedy = {}};
    }
  }
}

std::int64_t count_of(std::span<const std::int32_t> indices, std::int64_t all) {
  return indices.empty() ? all : static_cast<std::int64_t>(indices.size());
}

}  // namespace

void check_selection(const char* operation, const ConstMatrix& whole, std::span<const std::int32_t> rows,
                     std::span<const std::int32_t> cols, const ConstMatrix& part) {
  check_dtype(operation, "source", whole, {DType::f32, DType::f64});
  check_dtype(operation, "target", part, {whole.dtype});
  check_shape(operation, "whole matrix", whole, whole.rows, whole.cols);
  check_shape(operation, "part", part, count_of(rows, whole.rows), count_of(cols, whole.cols));
  check_indices(operation, "rows", rows, whole.rows);
  check_indices(operation, "cols", cols, whole.cols);
}

}  // namespace cce
