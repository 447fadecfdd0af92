#include "worker/numeric/nuclear_ratio.h"
#include "worker/tensor/ops.h"

#include <cmath>

namespace cce {
NuclearRatio add_nuclear_ratio(Backend& backend, ConstMatrix weights, ConstMatrix polar, double scale,
                               Matrix gradient) {
  NuclearRatio result;
  result.nuclear = ops::inner_product(backend, weights, polar);
  result.frobenius = std::sqrt(ops::inner_product(backend, weights, weights));
  if (result.frobenius == 0.0) return result;
  result.ratio = result.nuclear / result.frobenius;
  if (!gradient.empty()) {
    ops::add(backend, polar, gradient, scale / result.frobenius);
    ops::add(backend, weights, gradient, -scale * result.ratio / (result.frobenius * result.frobenius));
  }
  return result;
}

}  // namespace cce
