#include "worker/numeric/loss_weighting.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {

OwnedMatrix loss_root(Backend& backend, ConstMatrix second_moment) {
  const std::int64_t d = second_moment.rows;
  expect_f64(second_moment, d, d, "loss_root, second moment of the gradients");
  const std::vector<double> diagonal = diagonal_of(backend, second_moment);
  const double trace = std::accumulate(diagonal.begin(), diagonal.end(), 0.0);
  if (std::isfinite(trace) && trace > 0.0) {
    for (double relative = 1e-10; relative < 1e-2; relative *= 10.0) {
      OwnedMatrix factor = copy_f64(backend, second_moment);
      std::vector<double> raised = diagonal;
      for (double& value : raised) {
        value += relative * trace / static_cast<double>(d);
      }
      set_diagonal(backend, factor.view(), raised);
      if (!ops::cholesky(backend, factor.view())) {
        return factor;
      }
    }
  }
  throw Error{.code = ErrorCode::not_positive_definite,
              .where = "second moment of the gradients",
              .found = "trace " + std::to_string(trace),
              .expected = "a positive semidefinite matrix that is not zero",
              .remedy = "Raise calibration.gradient_sequences, or check the checkpoint's weights"};
}

OwnedMatrix weight_outputs(Backend& backend, ConstMatrix output_weights, ConstMatrix root) {
  expect_f64(output_weights, output_weights.rows, root.rows, "weight_outputs, output weights");
  OwnedMatrix weighted = backend.matrix(DType::f64, output_weights.rows, root.cols);
  ops::multiply(backend, output_weights, Transpose::no, root, Transpose::no, weighted.view());
  return weighted;
}

std::vector<double> weighted_singular_values(Backend& backend, ConstMatrix weighted) {
  const std::int64_t count = std::min(weighted.rows, weighted.cols);
  const bool tall = weighted.rows >= weighted.cols;
  OwnedMatrix gram = backend.matrix(DType::f64, count, count);
  ops::multiply(backend, weighted, tall ? Transpose::yes : Transpose::no, weighted,
                tall ? Transpose::no : Transpose::yes, gram.view());
  OwnedMatrix squares = backend.matrix(DType::f64, 1, count);
  ops::eigenvalues_symmetric(backend, gram.view(), squares.view());
  std::vector<double> values = host_values(backend, squares.view());
  for (double& value : values) {
    value = std::sqrt(std::max(value, 0.0));
  }
  return values;
}

}  // namespace cce
