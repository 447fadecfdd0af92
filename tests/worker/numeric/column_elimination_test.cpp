#include "worker/numeric/column_elimination.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <set>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/eliminated_solution.h"
#include "worker/numeric/host_matrix.h"
#include "worker/numeric/loss_weighting.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr double ridge_lambda = 1e-3;

class ColumnElimination : public NumericTest {
 protected:
  /// ½ tr((W̃ − P_S W̃_0)ᵀ C_λ (W̃ − P_S W̃_0)) with the survivors refitted by an independent solve.
  double direct_cost(const OwnedMatrix& covariance, const OwnedMatrix& weighted,
                     const std::vector<std::int32_t>& survivors) {
    const OwnedMatrix solution =
        eliminated_solution(*backend_, covariance.view(), weighted.view(), survivors, ridge_lambda);
    OwnedMatrix residual = copy_f64(*backend_, weighted.view());
    for (std::size_t i = 0; i < survivors.size(); ++i) {
      for (std::int64_t j = 0; j < weighted.cols(); ++j) {
        at(residual, survivors[i], j) -= at(solution, static_cast<std::int64_t>(i), j);
      }
    }
    const OwnedMatrix metric = regularized_covariance(*backend_, covariance.view(), ridge_lambda);
    return 0.5 * inner_product(*backend_, residual.view(), product(metric.view(), residual.view()).view());
  }

  /// Removes, one by one, the feature whose direct cost is lowest.
  std::vector<std::int32_t> naive_greedy_order(const OwnedMatrix& covariance, const OwnedMatrix& weighted) {
    std::vector<std::int32_t> left(static_cast<std::size_t>(covariance.rows()));
    std::iota(left.begin(), left.end(), 0);
    std::vector<std::int32_t> order;
    while (!left.empty()) {
      std::size_t best = 0;
      double best_cost = 0.0;
      for (std::size_t i = 0; i < left.size(); ++i) {
        std::vector<std::int32_t> survivors = left;
        survivors.erase(survivors.begin() + static_cast<std::ptrdiff_t>(i));
        const double cost = direct_cost(covariance, weighted, survivors);
        if (i == 0 || cost < best_cost) {
          best = i;
          best_cost = cost;
        }
      }
      order.push_back(left[best]);
      left.erase(left.begin() + static_cast<std::ptrdiff_t>(best));
    }
    return order;
  }
};

struct Problem {
  const char* name;
  std::int64_t features, outputs, samples, block;
};

class CurveRows : public ColumnElimination, public ::testing::WithParamInterface<Problem> {};

TEST_P(CurveRows, cost_equals_the_direct_computation_at_every_width) {
  const Problem& row = GetParam();
  const OwnedMatrix c = covariance(row.features, row.samples, 1,
                                   [](std::int64_t j) { return std::pow(2.0, double(j % 9) - 4.0); });
  const OwnedMatrix w = gaussian(row.features, row.outputs, 2);
  const EliminationCurve curve = eliminate_columns(
      *backend_, c.view(), w.view(), {.block = row.block, .ridge_lambda = ridge_lambda, .minimum_width = 0});
  ASSERT_EQ(std::set<std::int32_t>(curve.order.begin(), curve.order.end()).size(), row.features);
  for (std::int64_t width = 0; width <= row.features; ++width) {
    const double direct = direct_cost(c, w, curve.survivors(width));
    EXPECT_NEAR(curve.cost_at(width), direct, 1e-9 * curve.cost.back()) << "width " << width;
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, CurveRows,
                         ::testing::Values(Problem{"one_feature", 1, 3, 20, 1},
                                           Problem{"single_steps", 37, 5, 90, 1},
                                           Problem{"blocks", 37, 5, 90, 4},
                                           Problem{"block_that_does_not_divide", 50, 70, 200, 16},
                                           Problem{"block_above_the_width", 12, 4, 60, 64},
                                           Problem{"fewer_samples_than_features", 40, 6, 17, 8}),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(ColumnElimination, block_of_one_is_the_naive_greedy_order) {
  const OwnedMatrix c = covariance(14, 60, 11);
  const OwnedMatrix w = gaussian(14, 6, 12);
  const auto curve =
      eliminate_columns(*backend_, c.view(), w.view(), {.block = 1, .ridge_lambda = ridge_lambda});
  EXPECT_EQ(curve.order, naive_greedy_order(c, w));
}

TEST_F(ColumnElimination, blocks_cost_little_more_than_single_steps) {
  // A block of 4 is 2.5 % of the width (16 of 1536 is 1 %); one of 16 is a tenth of it.
  const struct {
    std::int64_t block;
    double max_ratio;
  } rows[] = {{4, 1.02}, {16, 1.12}};
  for (const std::uint64_t seed : {21u, 22u, 23u}) {
    const OwnedMatrix c = covariance(160, 400, seed);
    const OwnedMatrix w = gaussian(160, 40, seed + 50);
    const auto greedy = eliminate_columns(*backend_, c.view(), w.view(), {.block = 1});
    for (const auto& row : rows) {
      const auto blocked = eliminate_columns(*backend_, c.view(), w.view(), {.block = row.block});
      for (const std::int64_t width : {144, 112, 80, 48}) {
        EXPECT_LE(blocked.cost_at(width) / greedy.cost_at(width), row.max_ratio)
            << "seed " << seed << " block " << row.block << " width " << width;
      }
    }
  }
}

TEST_F(ColumnElimination, never_removes_both_twins_while_others_are_cheaper) {
  // Features 2i and 2i + 1 are equal up to noise: half of all can go for next to nothing, and only one of
  // each pair.
  const std::int64_t pairs = 24;
  const OwnedMatrix base = gaussian(500, pairs, 31);
  const OwnedMatrix noise = gaussian(500, 2 * pairs, 32);
  OwnedMatrix features = backend_->matrix(DType::f64, 500, 2 * pairs);
  for (std::int64_t i = 0; i < 500; ++i) {
    for (std::int64_t j = 0; j < 2 * pairs; ++j) {
      at(features, i, j) = at(base, i, j / 2) + 1e-4 * at(noise, i, j);
    }
  }
  const OwnedMatrix c = product(features.view(), features.view(), Transpose::yes);
  const OwnedMatrix w = gaussian(2 * pairs, 10, 33);
  const auto curve = eliminate_columns(*backend_, c.view(), w.view(), {.block = 16, .ridge_lambda = 1e-6});
  std::set<std::int32_t> removed_pairs;
  for (std::size_t i = 0; i < static_cast<std::size_t>(pairs); ++i) {
    EXPECT_TRUE(removed_pairs.insert(curve.order[i] / 2).second) << "both of pair " << curve.order[i] / 2;
  }
  EXPECT_LT(curve.cost_at(pairs), 0.01 * curve.cost_at(pairs - 1));
}

TEST_F(ColumnElimination, features_without_variance_go_first_at_no_cost) {
  const std::set<std::int32_t> dead{3, 7, 8};
  const OwnedMatrix c = covariance(
      20, 80, 41, [&dead](std::int64_t j) { return dead.count(static_cast<std::int32_t>(j)) ? 0.0 : 1.0; });
  const OwnedMatrix w = gaussian(20, 5, 42);
  const auto curve = eliminate_columns(*backend_, c.view(), w.view(), {.block = 4});
  EXPECT_THAT(std::vector<std::int32_t>(curve.order.begin(), curve.order.begin() + 3),
              ::testing::ElementsAre(3, 7, 8));
  EXPECT_EQ(curve.cost_at(17), 0.0);
  EXPECT_GT(curve.cost_at(16), 0.0);
  EXPECT_NEAR(curve.cost_at(10), direct_cost(c, w, curve.survivors(10)), 1e-9 * curve.cost.back());
}

TEST_F(ColumnElimination, stops_at_the_minimum_width_and_repeats_to_the_bit) {
  const OwnedMatrix c = covariance(40, 100, 51);
  const OwnedMatrix w = gaussian(40, 8, 52);
  const EliminationOptions options{
      .block = 8, .ridge_lambda = ridge_lambda, .minimum_width = 13, .nats_per_unit = 2.0};
  const auto curve = eliminate_columns(*backend_, c.view(), w.view(), options);
  const auto again = eliminate_columns(*backend_, c.view(), w.view(), options);
  ASSERT_EQ(curve.order.size(), 27u);
  EXPECT_EQ(curve.order, again.order);
  EXPECT_EQ(curve.cost, again.cost);
  EXPECT_NEAR(curve.cost_at(13), 2.0 * direct_cost(c, w, curve.survivors(13)), 1e-9 * curve.cost.back());
  EXPECT_EQ(error_code_of([&] { curve.cost_at(12); }), ErrorCode::out_of_range);
}

TEST_F(ColumnElimination, any_root_of_the_loss_metric_gives_the_same_curve) {
  const OwnedMatrix c = covariance(30, 90, 61);
  const OwnedMatrix w = gaussian(30, 12, 62);
  const OwnedMatrix s = covariance(12, 60, 63);
  const OwnedMatrix cholesky_root = loss_root(*backend_, s.view());
  OwnedMatrix vectors = copy_f64(*backend_, s.view());
  OwnedMatrix values = backend_->matrix(DType::f64, 1, 12);
  ops::eigen_symmetric(*backend_, vectors.view(), values.view());
  OwnedMatrix scaled = copy_f64(*backend_, vectors.view());
  for (std::int64_t i = 0; i < 12; ++i) {
    for (std::int64_t j = 0; j < 12; ++j) {
      at(scaled, i, j) *= std::sqrt(values.as<double>()[j]);
    }
  }
  const OwnedMatrix symmetric_root = product(scaled.view(), vectors.view(), Transpose::no, Transpose::yes);
  const OwnedMatrix by_cholesky = weight_outputs(*backend_, w.view(), cholesky_root.view());
  const OwnedMatrix by_symmetric = weight_outputs(*backend_, w.view(), symmetric_root.view());
  const auto a = eliminate_columns(*backend_, c.view(), by_cholesky.view(), {.block = 4});
  const auto b = eliminate_columns(*backend_, c.view(), by_symmetric.view(), {.block = 4});
  EXPECT_EQ(a.order, b.order);
  EXPECT_NEAR(a.cost.back(), b.cost.back(), 1e-8 * a.cost.back());
}

TEST_F(ColumnElimination, loss_root_of_a_singular_metric_is_close) {
  const OwnedMatrix s = covariance(20, 6, 71);  // rank 6
  const OwnedMatrix root = loss_root(*backend_, s.view());
  const OwnedMatrix back = product(root.view(), root.view(), Transpose::no, Transpose::yes);
  EXPECT_LT(norm(difference(back.view(), s.view()).view()), 1e-7 * norm(s.view()));
}

TEST_F(ColumnElimination, eliminated_solution_satisfies_the_normal_equations) {
  const OwnedMatrix c = covariance(25, 70, 81);
  const OwnedMatrix w = gaussian(25, 9, 82);
  const std::vector<std::int32_t> survivors{0, 2, 3, 9, 11, 17, 20, 24};
  const OwnedMatrix solution = eliminated_solution(*backend_, c.view(), w.view(), survivors, ridge_lambda);
  std::vector<std::int32_t> all(25);
  std::iota(all.begin(), all.end(), 0);
  const OwnedMatrix metric = regularized_covariance(*backend_, c.view(), ridge_lambda);
  const OwnedMatrix left =
      product(select_block(*backend_, metric.view(), survivors, survivors).view(), solution.view());
  const OwnedMatrix right = product(select_block(*backend_, metric.view(), survivors, all).view(), w.view());
  EXPECT_LT(norm(difference(left.view(), right.view()).view()), 1e-12 * norm(right.view()));
}

TEST_F(ColumnElimination, refuses_bad_arguments) {
  const OwnedMatrix c = covariance(6, 30, 91);
  const OwnedMatrix w = gaussian(6, 3, 92);
  const OwnedMatrix other = gaussian(5, 3, 93);
  OwnedMatrix indefinite = identity(6);
  at(indefinite, 0, 1) = at(indefinite, 1, 0) = 2.0;
  OwnedMatrix infinite = identity(6);
  at(infinite, 2, 2) = std::nan("");
  const auto run = [this](const OwnedMatrix& covariance, const OwnedMatrix& outputs,
                          EliminationOptions options) {
    return error_code_of([&] { eliminate_columns(*backend_, covariance.view(), outputs.view(), options); });
  };
  EXPECT_EQ(run(c, other, {}), ErrorCode::shape_mismatch);
  EXPECT_EQ(run(w, w, {}), ErrorCode::shape_mismatch);
  EXPECT_EQ(run(c, w, {.block = 0}), ErrorCode::out_of_range);
  EXPECT_EQ(run(c, w, {.minimum_width = 7}), ErrorCode::out_of_range);
  EXPECT_EQ(run(indefinite, w, {}), ErrorCode::not_positive_definite);
  EXPECT_EQ(run(infinite, w, {}), ErrorCode::not_positive_definite);
  const std::vector<std::int32_t> repeated{1, 1};
  EXPECT_EQ(error_code_of([&] { eliminated_solution(*backend_, c.view(), w.view(), repeated, 1e-3); }),
            ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
