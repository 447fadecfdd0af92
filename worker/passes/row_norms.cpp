#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

#include <cmath>

namespace cce {

void row_norms_to_power(Backend& backend, ConstMatrix x, double power, Matrix out) {
  ops::row_squared_norms(backend, x, out);
  std::vector<float> norms = to_host(backend, out);
  for (float& norm : norms) {
    norm = norm > 0.0F ? static_cast<float>(std::pow(static_cast<double>(norm), 0.5 * power)) : 0.0F;
  }
  backend.upload({norms.data(), DType::f32, 1, x.rows, x.rows}, out);
}

std::vector<float> to_host(Backend& backend, ConstMatrix row) {
  std::vector<float> values(static_cast<std::size_t>(row.cols));
  backend.download(row, {values.data(), DType::f32, 1, row.cols, row.cols});
  return values;
}

}  // namespace cce
