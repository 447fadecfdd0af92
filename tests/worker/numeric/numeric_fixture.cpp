#include "tests/worker/numeric/numeric_fixture.h"

#include <cmath>

#include "worker/numeric/counter_random.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {

OwnedMatrix NumericTest::gaussian(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
  OwnedMatrix result = backend_->matrix(DType::f64, rows, cols);
  fill_normal(*backend_, CounterRandom(seed, 0), 1.0, result.view());
  return result;
}

OwnedMatrix NumericTest::covariance(std::int64_t n, std::int64_t samples, std::uint64_t seed,
                                    const std::function<double(std::int64_t)>& scale) {
  const OwnedMatrix mixing = gaussian(n, n, seed + 1000);
  OwnedMatrix features = product(gaussian(samples, n, seed).view(), mixing.view());
  for (std::int64_t i = 0; i < samples; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      at(features, i, j) *= scale(j) / std::sqrt(static_cast<double>(samples * n));
    }
  }
  return product(features.view(), features.view(), Transpose::yes);
}

OwnedMatrix NumericTest::product(ConstMatrix a, ConstMatrix b, Transpose transpose_a, Transpose transpose_b) {
  OwnedMatrix result = backend_->matrix(DType::f64, transpose_a == Transpose::yes ? a.cols : a.rows,
                                        transpose_b == Transpose::yes ? b.rows : b.cols);
  ops::multiply(*backend_, a, transpose_a, b, transpose_b, result.view());
  return result;
}

OwnedMatrix NumericTest::difference(ConstMatrix a, ConstMatrix b) {
  OwnedMatrix result = copy_f64(*backend_, a);
  ops::add(*backend_, b, result.view(), -1.0);
  return result;
}

OwnedMatrix NumericTest::identity(std::int64_t n) {
  OwnedMatrix result = backend_->zeros(DType::f64, n, n);
  for (std::int64_t i = 0; i < n; ++i) {
    at(result, i, i) = 1.0;
  }
  return result;
}

double NumericTest::norm(ConstMatrix a) {
  return std::sqrt(inner_product(*backend_, a, a));
}

double NumericTest::trace(ConstMatrix a) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    sum += row_of(a, i)[i];
  }
  return sum;
}

ErrorCode error_code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_FALSE(error.where.empty());
    EXPECT_FALSE(error.remedy.empty());
    return error.code;
  }
  ADD_FAILURE() << "no Error was thrown";
  return ErrorCode::invalid_argument;
}

}  // namespace cce
