#include "worker/tensor/backend.h"

#include <limits>
#include <string>

#include "common/base/error.h"

namespace cce {

OwnedMatrix Backend::matrix(DType dtype, std::int64_t rows, std::int64_t cols) {
  constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max() / 8;
  if (rows < 0 || cols < 0 || (cols != 0 && rows > largest / cols)) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "new matrix",
                .found = std::to_string(rows) + " x " + std::to_string(cols),
                .expected = "sizes of at least 0 whose bytes fit in 63 bits",
                .remedy = {}};
  }
  const std::size_t bytes = static_cast<std::size_t>(rows * cols) * size_in_bytes(dtype);
  return {allocate(bytes), dtype, rows, cols};
}

OwnedMatrix Backend::zeros(DType dtype, std::int64_t rows, std::int64_t cols) {
  OwnedMatrix result = matrix(dtype, rows, cols);
  fill_zero(result.view());
  return result;
}

}  // namespace cce
