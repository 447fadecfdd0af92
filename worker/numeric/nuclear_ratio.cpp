#include "worker/numeric/nuclear_ratio.h"

#include <cmath>

namespace cce {
NuclearRatio add_nuclear_ratio(Backend& backend, ConstMatrix weights, ConstMatrix polar, double scale,
                               Matrix gradient) {
  NuclearRatio result;
  result.nuclear = backend.inner_product(weights, polar);
  result.frobenius = std::sqrt(backend.inner_product(weights, weights));
  if (result.frobenius == 0.0) return result;
  result.ratio = result.nuclear / result.frobenius;
  if (!gradient.empty()) {
    backend.add(polar, gradient, scale / result.frobenius);
    backend.add(weights, gradient, -scale * result.ratio / (result.frobenius * result.frobenius));
  }
  return result;
}

}  // namespace cce
