#include "worker/numeric/gram.h"

#include <string>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void expect_columns(ConstMatrix features, std::int64_t columns) {
  if (features.cols != columns) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "Gram accumulator, features",
                .found = std::to_string(features.cols) + " columns",
                .expected = std::to_string(columns),
                .remedy = "Use one accumulator per sub-block"};
  }
}

void expect_sum(ConstMatrix sum, std::int64_t rows, std::int64_t cols, const char* where) {
  if (sum.dtype == DType::f32) {
    sum.dtype = DType::f64;  // f32 is accepted too: only the shape is checked
  }
  expect_f64(sum, rows, cols, where);
}

}  // namespace

GramAccumulator::GramAccumulator(Backend& backend, std::int64_t features)
    : backend_(backend),
      gram_(backend.zeros(DType::f64, features, features)),
      feature_sum_(backend.zeros(DType::f64, 1, features)),
      micro_batch_gram_(backend.matrix(DType::f32, features, features)),
      micro_batch_sum_(backend.matrix(DType::f32, 1, features)) {}

void GramAccumulator::add(ConstMatrix features) {
  expect_columns(features, gram_.rows());
  backend_.fill_zero(micro_batch_gram_.view());
  backend_.fill_zero(micro_batch_sum_.view());
  ops::gram(backend_, features, micro_batch_gram_.view());
  ops::column_sums(backend_, features, {}, micro_batch_sum_.view());
  ops::add(backend_, micro_batch_gram_.view(), gram_.view());
  ops::add(backend_, micro_batch_sum_.view(), feature_sum_.view());
  tokens_ += features.rows;
}

OwnedMatrix centred_covariance(Backend& backend, ConstMatrix gram, ConstMatrix feature_sum,
                               std::int64_t tokens) {
  const std::int64_t n = gram.rows;
  expect_sum(gram, n, n, "centred covariance, Gram matrix");
  expect_sum(feature_sum, 1, n, "centred covariance, sum of features");
  if (tokens < 1) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "centred covariance, tokens",
                .found = std::to_string(tokens),
                .expected = "at least 1",
                .remedy = "Accumulate features first"};
  }
  const double scale = 1.0 / static_cast<double>(tokens);
  OwnedMatrix mean = backend.zeros(DType::f64, 1, n);
  ops::add(backend, feature_sum, mean.view(), scale);
  OwnedMatrix covariance = backend.zeros(DType::f64, n, n);
  ops::add(backend, gram, covariance.view(), scale);
  ops::multiply(backend, mean.view(), Transpose::yes, mean.view(), Transpose::no, covariance.view(), -1.0,
                1.0);
  return covariance;
}

}  // namespace cce
