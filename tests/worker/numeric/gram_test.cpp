#include "worker/numeric/gram.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/counter_random.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

class Gram : public NumericTest {
 protected:
  /// Small integers: every f32 sum is exact.
  OwnedMatrix integers(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    OwnedMatrix result = backend_->matrix(DType::f32, rows, cols);
    for (std::int64_t i = 0; i < rows * cols; ++i) {
      result.as<float>()[i] =
          std::floor(9.0f * CounterRandom(seed, 0).uniform_float(static_cast<std::uint64_t>(i))) - 4.0f;
    }
    return result;
  }
};

TEST_F(Gram, sums_micro_batches_exactly) {
  const std::int64_t n = 7;
  GramAccumulator accumulator(*backend_, n);
  std::vector<double> expected(n * n, 0.0), expected_sum(n, 0.0);
  for (std::uint64_t batch = 0; batch < 3; ++batch) {
    const OwnedMatrix features = integers(20 + static_cast<std::int64_t>(batch), n, batch);
    accumulator.add(features.view());
    for (std::int64_t t = 0; t < features.rows(); ++t) {
      const float* row = features.as<float>() + t * n;
      for (std::int64_t i = 0; i < n; ++i) {
        expected_sum[static_cast<std::size_t>(i)] += row[i];
        for (std::int64_t j = 0; j < n; ++j) {
          expected[static_cast<std::size_t>(i * n + j)] += row[i] * row[j];
        }
      }
    }
  }
  EXPECT_EQ(accumulator.tokens(), 63);
  EXPECT_THAT(std::vector<double>(accumulator.gram().as<double>(), accumulator.gram().as<double>() + n * n),
              ::testing::ElementsAreArray(expected));
  EXPECT_THAT(
      std::vector<double>(accumulator.feature_sum().as<double>(), accumulator.feature_sum().as<double>() + n),
      ::testing::ElementsAreArray(expected_sum));
}

TEST_F(Gram, bf16_features_give_the_same_sums) {
  const OwnedMatrix features = integers(33, 6, 4);
  OwnedMatrix narrow = backend_->matrix(DType::bf16, 33, 6);
  ops::convert(*backend_, features.view(), narrow.view());  // small integers: exact
  GramAccumulator wide_sums(*backend_, 6), narrow_sums(*backend_, 6);
  wide_sums.add(features.view());
  narrow_sums.add(narrow.view());
  EXPECT_EQ(norm(difference(wide_sums.gram(), narrow_sums.gram()).view()), 0.0);
  EXPECT_EQ(norm(difference(wide_sums.feature_sum(), narrow_sums.feature_sum()).view()), 0.0);
}

TEST_F(Gram, centred_covariance_removes_the_mean) {
  GramAccumulator accumulator(*backend_, 4);
  const OwnedMatrix features = integers(50, 4, 3);
  accumulator.add(features.view());
  const OwnedMatrix c =
      centred_covariance(*backend_, accumulator.gram(), accumulator.feature_sum(), accumulator.tokens());
  double mean_0 = 0.0, mean_1 = 0.0, direct = 0.0;
  for (int t = 0; t < 50; ++t) {
    mean_0 += features.as<float>()[4 * t] / 50.0;
    mean_1 += features.as<float>()[4 * t + 1] / 50.0;
  }
  for (int t = 0; t < 50; ++t) {
    direct += (features.as<float>()[4 * t] - mean_0) * (features.as<float>()[4 * t + 1] - mean_1) / 50.0;
  }
  EXPECT_NEAR(at(c, 0, 1), direct, 1e-13);
  EXPECT_NEAR(at(c, 1, 0), direct, 1e-13);
}

TEST_F(Gram, refuses_other_widths_and_no_tokens) {
  GramAccumulator accumulator(*backend_, 4);
  const OwnedMatrix features = integers(5, 3, 1);
  EXPECT_EQ(error_code_of([&] { accumulator.add(features.view()); }), ErrorCode::shape_mismatch);
  EXPECT_EQ(
      error_code_of([&] { centred_covariance(*backend_, accumulator.gram(), accumulator.feature_sum(), 0); }),
      ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
