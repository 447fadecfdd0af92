#include "worker/numeric/eliminated_solution.h"

#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

/// What is not in `survivors`. Errors: out_of_range unless they ascend strictly below `count`.
std::vector<std::int32_t> complement(std::span<const std::int32_t> survivors, std::int64_t count) {
  std::vector<std::int32_t> removed;
  std::int32_t next = 0;
  for (const std::int32_t survivor : survivors) {
    if (survivor < next || survivor >= count) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "eliminated solution, survivors",
                  .found = "feature " + std::to_string(survivor),
                  .expected = "features below " + std::to_string(count) + ", ascending, each once",
                  .remedy = "Pass the survivors of an elimination curve"};
    }
    for (; next < survivor; ++next) {
      removed.push_back(next);
    }
    next = survivor + 1;
  }
  for (; next < count; ++next) {
    removed.push_back(next);
  }
  return removed;
}

}  // namespace

OwnedMatrix eliminated_solution(Backend& backend, ConstMatrix covariance, ConstMatrix output_weights,
                                std::span<const std::int32_t> survivors, double ridge_lambda) {
  const std::int64_t m = covariance.rows;
  expect_f64(covariance, m, m, "eliminated solution, covariance");
  expect_f64(output_weights, m, output_weights.cols, "eliminated solution, output weights");
  const std::vector<std::int32_t> removed = complement(survivors, m);
  OwnedMatrix kept_weights = select_rows(backend, output_weights, survivors);
  if (removed.empty() || survivors.empty()) {
    return kept_weights;
  }
  const OwnedMatrix removed_weights = select_rows(backend, output_weights, removed);
  const OwnedMatrix coupling = select_block(backend, covariance, survivors, removed);
  OwnedMatrix correction = backend.matrix(DType::f64, kept_weights.rows(), kept_weights.cols());
  ops::multiply(backend, coupling.view(), Transpose::no, removed_weights.view(), Transpose::no,
                correction.view());
  OwnedMatrix factor = regularized_covariance(
      backend, select_block(backend, covariance, survivors, survivors).view(), ridge_lambda);
  cholesky_or_throw(backend, factor.view(), "eliminated solution, covariance of the survivors",
                    "raise the covariance's ridge");
  ops::cholesky_solve(backend, factor.view(), correction.view());
  ops::add(backend, correction.view(), kept_weights.view());
  return kept_weights;
}

}  // namespace cce
