#include "worker/numeric/head_factorization.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void expect_rank(std::int64_t rank, std::int64_t lowest, std::int64_t highest) {
  if (rank < lowest || rank > highest) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "value/output width of a KV group",
                .found = std::to_string(rank),
                .expected = std::to_string(lowest) + " to " + std::to_string(highest),
                .remedy = "Choose a width that the dense layer has"};
  }
}

OwnedMatrix product(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
                    Transpose transpose_b) {
  OwnedMatrix result = backend.matrix(DType::f64, transpose_a == Transpose::yes ? a.cols : a.rows,
                                      transpose_b == Transpose::yes ? b.rows : b.cols);
  ops::multiply(backend, a, transpose_a, b, transpose_b, result.view());
  return result;
}

}  // namespace

double HeadSpectrum::cost_at(std::int64_t rank) const {
  const auto width = static_cast<std::int64_t>(squared_sigma.size());
  expect_rank(rank, 0, width);
  double sum = 0.0;
  for (std::int64_t i = width - 1; i >= rank; --i) {  // smallest first: the tail keeps its digits
    sum += squared_sigma[static_cast<std::size_t>(i)];
  }
  return 0.5 * sum;
}

OwnedMatrix output_metric(Backend& backend, ConstMatrix weighted_outputs, std::int64_t vo_dim) {
  expect_rank(vo_dim, 1, weighted_outputs.rows);
  const std::int64_t heads = weighted_outputs.rows / vo_dim;
  expect_f64(weighted_outputs, heads * vo_dim, weighted_outputs.cols, "output metric, weighted outputs");
  OwnedMatrix metric = backend.zeros(DType::f64, vo_dim, vo_dim);
  for (std::int64_t h = 0; h < heads; ++h) {
    const ConstMatrix rows = weighted_outputs.rows_from(h * vo_dim, vo_dim);
    ops::multiply(backend, rows, Transpose::no, rows, Transpose::yes, metric.view(), 1.0, 1.0);
  }
  return metric;
}

HeadSpectrum factor_value_output(Backend& backend, ConstMatrix second_moment, ConstMatrix metric,
                                 double ridge_lambda) {
  const std::int64_t width = second_moment.rows;
  expect_f64(second_moment, width, width, "value/output factorisation, second moment");
  expect_f64(metric, width, width, "value/output factorisation, output metric");
  OwnedMatrix lower = regularized_covariance(backend, second_moment, ridge_lambda);  // 1.
  cholesky_or_throw(backend, lower.view(), "value/output factorisation, second moment of the heads",
                    "raise the covariance's ridge");
  const OwnedMatrix right = product(backend, metric, Transpose::no, lower.view(), Transpose::no);  // 2.
  OwnedMatrix directions = product(backend, lower.view(), Transpose::yes, right.view(), Transpose::no);
  OwnedMatrix values = backend.matrix(DType::f64, 1, width);
  ops::eigen_symmetric(backend, directions.view(), values.view());
  std::vector<double> squared_sigma = host_values(backend, values.view());
  for (double& value : squared_sigma) {
    value = std::max(value, 0.0);
  }
  return {std::move(lower), std::move(directions), std::move(squared_sigma)};
}

HeadProjection project_head(Backend& backend, const HeadSpectrum& spectrum, std::int64_t rank) {
  expect_rank(rank, 1, spectrum.lower.rows());
  const ConstMatrix kept = spectrum.directions.view().cols_from(0, rank);
  OwnedMatrix basis = copy_f64(backend, kept);
  ops::triangular_solve(backend, spectrum.lower.view(), Transpose::yes, basis.view());
  OwnedMatrix triangle = backend.matrix(DType::f64, rank, rank);
  ops::qr(backend, basis.view(), triangle.view());
  const OwnedMatrix back = product(backend, kept, Transpose::yes, spectrum.lower.view(), Transpose::yes);
  OwnedMatrix output_map = product(backend, triangle.view(), Transpose::no, back.view(), Transpose::no);
  return {std::move(basis), std::move(output_map)};
}

OwnedMatrix project_value_rows(Backend& backend, const HeadProjection& projection, ConstMatrix value) {
  expect_f64(value, projection.value_map.rows(), value.cols, "value rows of a KV group");
  return product(backend, projection.value_map.view(), Transpose::yes, value, Transpose::no);
}

}  // namespace cce
