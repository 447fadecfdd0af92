#include "worker/stages/row_norms.h"

#include <cmath>
#include <vector>

namespace cce {

void row_norms_to_power(Backend& backend, ConstMatrix x, double power, Matrix out) {
  backend.row_squared_norms(x, out);
  std::vector<float> norms(static_cast<std::size_t>(x.rows));
  const Matrix host{norms.data(), DType::f32, 1, x.rows, x.rows};
  backend.download(out, host);
  for (float& norm : norms) {
    norm = norm > 0.0F ? static_cast<float>(std::pow(static_cast<double>(norm), 0.5 * power)) : 0.0F;
  }
  backend.upload(host, out);
}

}  // namespace cce
