#include "worker/numeric/polar.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/nuclear_ratio.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

struct PolarRow {
  const char* name;
  std::int64_t rows, cols, rank;
  double condition;  ///< largest over smallest singular value
  bool by_eigen;     ///< expected
};
constexpr PolarRow polar_rows[] = {
    {"one_number", 1, 1, 1, 1.0, false},           {"square", 40, 40, 40, 100.0, false},
    {"tall", 70, 33, 33, 1000.0, false},           {"wide", 20, 90, 20, 30.0, false},
    {"badly_conditioned", 48, 32, 32, 3e4, false}, {"nearly_singular", 48, 32, 32, 3e6, true},
    {"of_lower_rank", 50, 24, 10, 10.0, true},     {"one_row", 1, 17, 1, 1.0, false}};

class Polar : public NumericTest, public ::testing::WithParamInterface<PolarRow> {
 protected:
  /// Orthonormal columns.
  OwnedMatrix basis(std::int64_t rows, std::int64_t cols, std::uint64_t seed) {
    OwnedMatrix q = gaussian(rows, cols, seed), r = backend_->matrix(DType::f64, cols, cols);
    ops::qr(*backend_, q.view(), r.view());
    return q;
  }
  OwnedMatrix narrowed(ConstMatrix wide) {
    OwnedMatrix result = backend_->matrix(DType::f32, wide.rows, wide.cols);
    ops::convert(*backend_, wide, result.view());
    return result;
  }
  OwnedMatrix widened(ConstMatrix narrow) {
    OwnedMatrix result = backend_->matrix(DType::f64, narrow.rows, narrow.cols);
    ops::convert(*backend_, narrow, result.view());
    return result;
  }
};

TEST_P(Polar, is_the_product_of_the_singular_vectors) {
  const PolarRow& row = GetParam();
  const OwnedMatrix u = basis(row.rows, row.rank, 1), v = basis(row.cols, row.rank, 2);
  OwnedMatrix scaled = widened(u.view());
  double nuclear = 0.0, squares = 0.0;
  for (std::int64_t j = 0; j < row.rank; ++j) {
    const double exponent = row.rank > 1 ? static_cast<double>(j) / static_cast<double>(row.rank - 1) : 0.0;
    const double value = 7.0 * std::pow(row.condition, -exponent);
    nuclear += value;
    squares += value * value;
    for (std::int64_t i = 0; i < row.rows; ++i) at(scaled, i, j) *= value;
  }
  const OwnedMatrix expected = product(u.view(), v.view(), Transpose::no, Transpose::yes);
  const OwnedMatrix weights =
      narrowed(product(scaled.view(), v.view(), Transpose::no, Transpose::yes).view());
  const PolarFactor polar = polar_factor(*backend_, weights.view());
  EXPECT_EQ(polar.by_eigen, row.by_eigen);
  EXPECT_LE(polar.steps, 30);
  // f32 weights know the smallest singular vectors to 1e-7 times the condition.
  const double known = 3e-4 + 3e-7 * row.condition;
  const OwnedMatrix found = widened(polar.factor.view());
  EXPECT_LE(norm(difference(found.view(), expected.view()).view()), known * std::sqrt(row.rank));
  const NuclearRatio ratio = add_nuclear_ratio(*backend_, weights.view(), polar.factor.view(), 1.0, {});
  EXPECT_NEAR(ratio.nuclear, nuclear, 1e-4 * nuclear);
  EXPECT_NEAR(ratio.frobenius, std::sqrt(squares), 1e-5 * ratio.frobenius);
  EXPECT_NEAR(ratio.ratio, nuclear / std::sqrt(squares), 1e-4 * ratio.ratio);
}

TEST_P(Polar, products_of_bf16_halves_are_close) {
  const PolarRow& row = GetParam();
  const OwnedMatrix weights = narrowed(gaussian(row.rows, row.cols, 3).view());
  const PolarFactor exact = polar_factor(*backend_, weights.view());
  const PolarFactor rounded = polar_factor(*backend_, weights.view(), {.product_dtype = DType::bf16});
  const OwnedMatrix a = widened(exact.factor.view()), b = widened(rounded.factor.view());
  EXPECT_LE(norm(difference(a.view(), b.view()).view()), 1e-3 * norm(a.view()));
}

std::string row_name(const ::testing::TestParamInfo<PolarRow>& row) {
  return row.param.name;
}
INSTANTIATE_TEST_SUITE_P(Rows, Polar, ::testing::ValuesIn(polar_rows), row_name);

class PolarEdges : public NumericTest {};

TEST_F(PolarEdges, of_zero_is_zero_and_of_nothing_is_nothing) {
  const OwnedMatrix zeros = backend_->zeros(DType::f32, 3, 5);
  const PolarFactor polar = polar_factor(*backend_, zeros.view());
  for (std::int64_t i = 0; i < 15; ++i) EXPECT_EQ(polar.factor.as<float>()[i], 0.0f);
  EXPECT_TRUE(polar_factor(*backend_, {}).factor.view().empty());
  EXPECT_EQ(add_nuclear_ratio(*backend_, zeros.view(), polar.factor.view(), 1.0, {}).ratio, 0.0);
}

TEST_F(PolarEdges, refuses_numbers_that_are_not_finite) {
  OwnedMatrix weights = backend_->zeros(DType::f32, 3, 5);
  weights.as<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(error_code_of([&] { polar_factor(*backend_, weights.view()); }), ErrorCode::not_converged);
  const OwnedMatrix wide = backend_->zeros(DType::f64, 3, 5);
  EXPECT_EQ(error_code_of([&] { polar_factor(*backend_, wide.view()); }), ErrorCode::unsupported);
}

TEST_F(PolarEdges, gradient_of_the_ratio_is_its_finite_difference) {
  const std::int64_t rows = 7, cols = 5;
  const OwnedMatrix start = gaussian(rows, cols, 4);
  const auto ratio_at = [&](ConstMatrix at) {  // from the singular values
    OwnedMatrix copy = backend_->matrix(DType::f64, rows, cols), u = backend_->matrix(DType::f64, rows, cols);
    OwnedMatrix values = backend_->matrix(DType::f64, 1, cols), v = backend_->matrix(DType::f64, cols, cols);
    ops::convert(*backend_, at, copy.view());
    ops::singular_values(*backend_, copy.view(), u.view(), values.view(), v.view());
    double sum = 0.0, squares = 0.0;
    for (std::int64_t j = 0; j < cols; ++j) {
      sum += values.as<double>()[j];
      squares += values.as<double>()[j] * values.as<double>()[j];
    }
    return sum / std::sqrt(squares);
  };
  OwnedMatrix weights = backend_->matrix(DType::f32, rows, cols),
              gradient = backend_->zeros(DType::f32, rows, cols);
  ops::convert(*backend_, start.view(), weights.view());
  const PolarFactor polar = polar_factor(*backend_, weights.view(), {.tolerance = 1e-6});
  const NuclearRatio ratio =
      add_nuclear_ratio(*backend_, weights.view(), polar.factor.view(), 2.0, gradient.view());
  EXPECT_NEAR(ratio.ratio, ratio_at(start.view()), 1e-5);
  OwnedMatrix moved = backend_->matrix(DType::f64, rows, cols);
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    const double step = 1e-5;
    ops::convert(*backend_, start.view(), moved.view());
    moved.as<double>()[i] += step;
    const double above = ratio_at(moved.view());
    moved.as<double>()[i] -= 2.0 * step;
    const double below = ratio_at(moved.view());
    EXPECT_NEAR(static_cast<double>(gradient.as<float>()[i]), 2.0 * (above - below) / (2.0 * step), 1e-5);
  }
}

TEST_F(PolarEdges, an_old_factor_bounds_the_norm_from_below) {
  OwnedMatrix before = backend_->matrix(DType::f32, 9, 6), after = backend_->matrix(DType::f32, 9, 6);
  ops::convert(*backend_, gaussian(9, 6, 5).view(), before.view());
  ops::convert(*backend_, before.view(), after.view());
  OwnedMatrix change = backend_->matrix(DType::f32, 9, 6);
  ops::convert(*backend_, gaussian(9, 6, 6).view(), change.view());
  ops::add(*backend_, change.view(), after.view(), 0.02);
  const PolarFactor old = polar_factor(*backend_, before.view()),
                    fresh = polar_factor(*backend_, after.view());
  const double stale = add_nuclear_ratio(*backend_, after.view(), old.factor.view(), 1.0, {}).nuclear;
  const double exact = add_nuclear_ratio(*backend_, after.view(), fresh.factor.view(), 1.0, {}).nuclear;
  EXPECT_LE(stale, exact);
  EXPECT_GE(stale, 0.999 * exact);
}

}  // namespace
}  // namespace cce
