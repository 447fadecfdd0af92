#include "worker/numeric/head_factorization.h"

#include <gmock/gmock.h>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/host_matrix.h"
#include "worker/numeric/loss_weighting.h"

namespace cce {
namespace {

constexpr std::int64_t hidden = 18, vo = 8, heads = 3;
constexpr double ridge_lambda = 1e-3;

/// One KV group in the notation of the header: x W_V → o (here one second moment for all heads), o_h W_O,h.
class HeadFactorization : public NumericTest {
 protected:
  OwnedMatrix second_moment_ = covariance(vo, 50, 1);
  OwnedMatrix outputs_ = gaussian(heads * vo, hidden, 2);  // W_O,h below one another
  OwnedMatrix values_ = gaussian(hidden, vo, 3);           // W_V, in × out
  OwnedMatrix loss_metric_ = covariance(hidden, 60, 4);
  OwnedMatrix root_ = loss_root(*backend_, loss_metric_.view());

  HeadSpectrum spectrum() {
    const OwnedMatrix weighted = weight_outputs(*backend_, outputs_.view(), root_.view());
    return factor_value_output(*backend_, second_moment_.view(),
                               output_metric(*backend_, weighted.view(), vo).view(), ridge_lambda);
  }
  ConstMatrix head_output(std::int64_t h) const { return outputs_.view().rows_from(h * vo, vo); }
};

class Ranks : public HeadFactorization, public ::testing::WithParamInterface<std::int64_t> {};

TEST_P(Ranks, cost_equals_the_loss_quadratic_form) {
  const HeadSpectrum spectrum = this->spectrum();
  const HeadProjection projection = project_head(*backend_, spectrum, GetParam());
  const OwnedMatrix g = regularized_covariance(*backend_, second_moment_.view(), ridge_lambda);
  const OwnedMatrix reduction = product(projection.value_map.view(), projection.output_map.view());
  double direct = 0.0;  // ½ Σ_h tr(S_g ΔW_hᵀ G ΔW_h)
  for (std::int64_t h = 0; h < heads; ++h) {
    const OwnedMatrix kept = product(reduction.view(), head_output(h));
    const OwnedMatrix change = difference(head_output(h), kept.view());
    const OwnedMatrix moment =
        product(change.view(), product(g.view(), change.view()).view(), Transpose::yes);
    direct += 0.5 * inner_product(*backend_, loss_metric_.view(), moment.view());
  }
  EXPECT_NEAR(spectrum.cost_at(GetParam()), direct, 1e-8 * spectrum.cost_at(0));
}

TEST_P(Ranks, value_map_is_orthonormal) {
  const HeadProjection projection = project_head(*backend_, spectrum(), GetParam());
  const OwnedMatrix gram = product(projection.value_map.view(), projection.value_map.view(), Transpose::yes);
  EXPECT_LT(norm(difference(gram.view(), identity(GetParam()).view()).view()), 1e-13 * vo);
}

INSTANTIATE_TEST_SUITE_P(Widths, Ranks, ::testing::Values(1, 3, 5, vo));

TEST_F(HeadFactorization, full_rank_reproduces_the_product) {
  const HeadProjection projection = project_head(*backend_, spectrum(), vo);
  const OwnedMatrix values = product(values_.view(), projection.value_map.view());
  for (std::int64_t h = 0; h < heads; ++h) {
    const OwnedMatrix outputs = product(projection.output_map.view(), head_output(h));
    const OwnedMatrix before = product(values_.view(), head_output(h));
    const OwnedMatrix after = product(values.view(), outputs.view());
    EXPECT_LT(norm(difference(after.view(), before.view()).view()), 1e-11 * norm(before.view()));
  }
}

TEST_F(HeadFactorization, no_random_projection_of_the_same_rank_costs_less) {
  const std::int64_t rank = 4;
  const HeadSpectrum spectrum = this->spectrum();
  const OwnedMatrix g = regularized_covariance(*backend_, second_moment_.view(), ridge_lambda);
  const OwnedMatrix weighted = weight_outputs(*backend_, outputs_.view(), root_.view());
  const OwnedMatrix metric = output_metric(*backend_, weighted.view(), vo);
  for (std::uint64_t seed = 10; seed < 20; ++seed) {
    const OwnedMatrix other = product(gaussian(vo, rank, seed).view(), gaussian(rank, vo, seed + 100).view());
    const OwnedMatrix change = difference(identity(vo).view(), other.view());
    const OwnedMatrix moment =
        product(change.view(), product(g.view(), change.view()).view(), Transpose::yes);
    EXPECT_GE(0.5 * inner_product(*backend_, moment.view(), metric.view()), spectrum.cost_at(rank));
  }
}

TEST_F(HeadFactorization, stored_layout_is_the_transpose) {
  const HeadProjection projection = project_head(*backend_, spectrum(), 5);
  const OwnedMatrix stored_value =
      product(values_.view(), identity(hidden).view(), Transpose::yes);  // vo × d
  const OwnedMatrix value = project_value_rows(*backend_, projection, stored_value.view());
  const OwnedMatrix expected_value =
      product(projection.value_map.view(), values_.view(), Transpose::yes, Transpose::yes);
  EXPECT_LT(norm(difference(value.view(), expected_value.view()).view()), 1e-12);
}

TEST_F(HeadFactorization, refuses_bad_arguments) {
  const HeadSpectrum spectrum = this->spectrum();
  EXPECT_EQ(error_code_of([&] { project_head(*backend_, spectrum, 0); }), ErrorCode::out_of_range);
  EXPECT_EQ(error_code_of([&] { project_head(*backend_, spectrum, vo + 1); }), ErrorCode::out_of_range);
  EXPECT_EQ(error_code_of([&] {
              factor_value_output(*backend_, second_moment_.view(), outputs_.view(), ridge_lambda);
            }),
            ErrorCode::shape_mismatch);
}

}  // namespace
}  // namespace cce
