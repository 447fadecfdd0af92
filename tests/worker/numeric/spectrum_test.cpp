#include "worker/numeric/spectrum.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/loss_weighting.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

class Spectrum : public NumericTest {
 protected:
  /// Q diag(values) Qᵀ with a random orthogonal Q.
  OwnedMatrix with_eigenvalues(const std::vector<double>& values) {
    const auto n = static_cast<std::int64_t>(values.size());
    OwnedMatrix q = gaussian(n, n, 1);
    OwnedMatrix r = backend_->matrix(DType::f64, n, n);
    ops::qr(*backend_, q.view(), r.view());
    OwnedMatrix scaled = backend_->matrix(DType::f64, n, n);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        at(scaled, i, j) = at(q, i, j) * values[static_cast<std::size_t>(j)];
      }
    }
    return product(scaled.view(), q.view(), Transpose::no, Transpose::yes);
  }
};

TEST_F(Spectrum, all_eigenvalues_come_out) {
  const std::vector<double> values{9.0, 4.0, 1.0, 0.5, 0.0};
  EXPECT_THAT(all_eigenvalues(*backend_, with_eigenvalues(values).view()),
              ::testing::Pointwise(::testing::DoubleNear(1e-12), values));
}

TEST_F(Spectrum, leading_eigenvalues_of_a_decaying_spectrum) {
  std::vector<double> values;
  for (int i = 0; i < 200; ++i) {
    values.push_back(std::pow(1.0 + i, -1.2));
  }
  const auto leading = leading_eigenvalues(*backend_, with_eigenvalues(values).view(), 40);
  ASSERT_EQ(leading.size(), 40u);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_LE(leading[i], values[i] * (1.0 + 1e-12));
    EXPECT_GE(leading[i], values[i] * (i < 20 ? 0.99 : 0.9)) << "eigenvalue " << i;
  }
}

TEST_F(Spectrum, leading_eigenvalues_of_a_singular_matrix) {
  std::vector<double> values(200, 0.0);
  values[0] = 1e8;  // one massive direction among few
  for (std::size_t i = 1; i < 20; ++i) {
    values[i] = 20.0 - static_cast<double>(i);
  }
  const auto leading = leading_eigenvalues(*backend_, with_eigenvalues(values).view(), 40);
  for (std::size_t i = 0; i < 40; ++i) {
    EXPECT_NEAR(leading[i], values[i], 1e-5) << "eigenvalue " << i;
  }
}

TEST_F(Spectrum, few_are_exact) {
  const std::vector<double> values{9.0, 4.0, 1.0, 0.5, 0.25};
  EXPECT_THAT(leading_eigenvalues(*backend_, with_eigenvalues(values).view(), 3),
              ::testing::Pointwise(::testing::DoubleNear(1e-12), std::vector<double>{9.0, 4.0, 1.0}));
}

TEST_F(Spectrum, singular_values_of_tall_and_wide_maps_agree) {
  const OwnedMatrix w = gaussian(9, 5, 3);
  const OwnedMatrix transposed = product(w.view(), identity(9).view(), Transpose::yes);
  const auto tall = weighted_singular_values(*backend_, w.view());
  const auto wide = weighted_singular_values(*backend_, transposed.view());
  ASSERT_EQ(tall.size(), 5u);
  EXPECT_THAT(wide, ::testing::Pointwise(::testing::DoubleNear(1e-12), tall));
  double squares = 0.0;
  for (const double value : tall) {
    squares += value * value;
  }
  EXPECT_NEAR(squares, std::pow(norm(w.view()), 2), 1e-11);
}

TEST(Threshold, a_component_is_redundant_only_where_both_are_small) {
  const std::vector<double> eigenvalues{10.0, 5.0, 0.4, 0.3, 0.2};
  const std::vector<double> singular{8.0, 7.0, 6.0, 1.0};  // the fifth is 0
  EXPECT_EQ(count_redundant(eigenvalues, singular, 8.0, 0.05, 0.7), 2);
  EXPECT_EQ(count_redundant(eigenvalues, singular, 10.0, 0.05, 0.7),
            3);  // the layer's other block is stronger
  EXPECT_EQ(count_redundant(eigenvalues, singular, 8.0, 0.0, 0.7), 0);
  EXPECT_EQ(count_redundant(eigenvalues, singular, 8.0, 0.05, 0.0), 0);
  EXPECT_EQ(error_code_of([&] { count_redundant(eigenvalues, singular, 8.0, 1.1, 0.7); }),
            ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
