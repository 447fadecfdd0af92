#include "worker/numeric/ridge.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

struct RidgeRow {
  const char* name;
  std::int64_t features, outputs;
  double condition;     ///< of the features' scales
  double max_residual;  ///< ‖B − A W‖ / (n ε ‖A‖ ‖W‖), Frobenius norms
};

const RidgeRow ridge_rows[] = {
    {"one_feature", 1, 1, 1e0, 4}, {"wide_output", 8, 33, 1e3, 4}, {"ill_conditioned", 96, 17, 1e10, 4}};

class Ridge : public NumericTest {
 protected:
  /// tokens of features and noisy targets F W + noise, as sums.
  struct Data {
    OwnedMatrix features, targets, gram, cross;
    double energy;
    RidgeSums sums() const { return {gram.view(), cross.view(), energy}; }
  };
  Data data(std::int64_t tokens, const OwnedMatrix& truth, double noise, std::uint64_t seed) {
    Data result;
    result.features = gaussian(tokens, truth.rows(), seed);
    result.targets = product(result.features.view(), truth.view());
    ops::add(*backend_, gaussian(tokens, truth.cols(), seed + 1).view(), result.targets.view(), noise);
    result.gram = product(result.features.view(), result.features.view(), Transpose::yes);
    result.cross = product(result.features.view(), result.targets.view(), Transpose::yes);
    result.energy = std::pow(norm(result.targets.view()), 2);
    return result;
  }
};

class RidgeRows : public Ridge, public ::testing::WithParamInterface<RidgeRow> {};

TEST_P(RidgeRows, solves_the_normal_equations) {
  const RidgeRow& row = GetParam();
  const double lambda = 1e-3;
  const OwnedMatrix gram = covariance(row.features, 2 * row.features + 8, 1, [&row](std::int64_t j) {
    return std::pow(row.condition, -0.5 * static_cast<double>(j) / static_cast<double>(row.features));
  });
  const OwnedMatrix cross = gaussian(row.features, row.outputs, 2);
  const OwnedMatrix prior = gaussian(row.features, row.outputs, 3);
  const OwnedMatrix w = solve_ridge(*backend_, gram.view(), cross.view(), prior.view(), lambda);
  OwnedMatrix a = copy_f64(*backend_, gram.view());
  OwnedMatrix b = copy_f64(*backend_, cross.view());
  for (std::int64_t i = 0; i < row.features; ++i) {
    at(a, i, i) += lambda * at(gram, i, i);
    for (std::int64_t j = 0; j < row.outputs; ++j) {
      at(b, i, j) += lambda * at(gram, i, i) * at(prior, i, j);
    }
  }
  const double residual = norm(difference(b.view(), product(a.view(), w.view()).view()).view());
  const double unit = static_cast<double>(row.features) * std::numeric_limits<double>::epsilon();
  EXPECT_LE(residual, row.max_residual * unit * norm(a.view()) * norm(w.view()));
}
INSTANTIATE_TEST_SUITE_P(Rows, RidgeRows, ::testing::ValuesIn(ridge_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(Ridge, strong_pull_returns_the_prior_and_weak_pull_the_least_squares_solution) {
  const OwnedMatrix truth = gaussian(6, 4, 1);
  const OwnedMatrix prior = gaussian(6, 4, 2);
  const Data d = data(50, truth, 0.0, 3);
  const OwnedMatrix strong = solve_ridge(*backend_, d.gram.view(), d.cross.view(), prior.view(), 1e9);
  const OwnedMatrix weak = solve_ridge(*backend_, d.gram.view(), d.cross.view(), prior.view(), 1e-12);
  EXPECT_LT(norm(difference(strong.view(), prior.view()).view()), 1e-7 * norm(prior.view()));
  EXPECT_LT(norm(difference(weak.view(), truth.view()).view()), 1e-9 * norm(truth.view()));
}

TEST_F(Ridge, a_feature_that_is_always_zero_keeps_its_prior) {
  const OwnedMatrix prior = gaussian(6, 4, 2);
  Data d = data(50, gaussian(6, 4, 1), 0.1, 3);
  for (std::int64_t j = 0; j < 6; ++j) {
    at(d.gram, 2, j) = at(d.gram, j, 2) = 0.0;
  }
  for (std::int64_t j = 0; j < 4; ++j) {
    at(d.cross, 2, j) = 0.0;
  }
  const OwnedMatrix w = solve_ridge(*backend_, d.gram.view(), d.cross.view(), prior.view(), 1e-2);
  for (std::int64_t j = 0; j < 4; ++j) {
    EXPECT_NEAR(at(w, 2, j), at(prior, 2, j), 1e-12);
  }
}

TEST_F(Ridge, error_is_the_squared_distance_to_the_targets) {
  const OwnedMatrix w = gaussian(7, 5, 1);
  const Data d = data(40, gaussian(7, 5, 2), 0.3, 3);
  const OwnedMatrix residual = difference(product(d.features.view(), w.view()).view(), d.targets.view());
  EXPECT_NEAR(ridge_error(*backend_, w.view(), d.sums()), std::pow(norm(residual.view()), 2),
              1e-9 * d.energy);
}

TEST_F(Ridge, choice_follows_the_heldout_error) {
  const std::array<double, 3> candidates{1e-3, 1e-2, 1e-1};
  const OwnedMatrix truth = gaussian(20, 5, 1);
  const Data noisy = data(24, truth, 3.0, 3);
  const Data heldout = data(400, truth, 3.0, 5);
  // The prior is the truth: with few noisy tokens the strongest pull is best; with a prior far off, the
  // weakest.
  const OwnedMatrix far = gaussian(20, 5, 9);
  const Data clean = data(400, truth, 0.01, 7);
  const RidgeSolution pulled =
      refit_outputs(*backend_, noisy.sums(), heldout.sums(), truth.view(), candidates);
  const RidgeSolution free = refit_outputs(*backend_, clean.sums(), heldout.sums(), far.view(), candidates);
  EXPECT_EQ(pulled.ridge_lambda, 1e-1);
  EXPECT_EQ(free.ridge_lambda, 1e-3);
  EXPECT_EQ(pulled.heldout_errors.size(), 3u);
  const OwnedMatrix expected =
      solve_ridge(*backend_, clean.gram.view(), clean.cross.view(), far.view(), 1e-3);
  EXPECT_EQ(norm(difference(free.weights.view(), expected.view()).view()), 0.0);
}

TEST_F(Ridge, choice_over_many_outputs_agrees_with_the_exact_errors) {
  const std::array<double, 3> candidates{1e-3, 1e-2, 1e-1};
  const OwnedMatrix truth = gaussian(30, 400, 1);
  const OwnedMatrix prior = gaussian(30, 400, 2);
  for (const double noise : {0.5, 4.0, 12.0}) {
    const Data training = data(45, truth, noise, 3);
    const Data heldout = data(200, truth, noise, 5);
    const RidgeSolution chosen =
        refit_outputs(*backend_, training.sums(), heldout.sums(), prior.view(), candidates);
    std::vector<double> exact;
    for (const double candidate : candidates) {
      const OwnedMatrix w =
          solve_ridge(*backend_, training.gram.view(), training.cross.view(), prior.view(), candidate);
      exact.push_back(ridge_error(*backend_, w.view(), heldout.sums()));
    }
    const auto best = std::min_element(exact.begin(), exact.end()) - exact.begin();
    EXPECT_EQ(chosen.ridge_lambda, candidates[static_cast<std::size_t>(best)]) << "noise " << noise;
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_NEAR(chosen.heldout_errors[i], exact[i], 0.1 * heldout.energy);
    }
  }
}

TEST_F(Ridge, failed_factorisation_raises_lambda_and_says_how_often) {
  // Eigenvalues 1 ± 1.005: positive definite only from λ > 0.005 on.
  OwnedMatrix gram = identity(2);
  at(gram, 0, 1) = at(gram, 1, 0) = 1.005;
  const OwnedMatrix cross = gaussian(2, 3, 1);
  const OwnedMatrix prior = gaussian(2, 3, 2);
  EXPECT_EQ(error_code_of([&] { solve_ridge(*backend_, gram.view(), cross.view(), prior.view(), 1e-3); }),
            ErrorCode::not_positive_definite);
  const RidgeSolution raised = solve_ridge_raising(*backend_, gram.view(), cross.view(), prior.view(), 1e-4);
  EXPECT_EQ(raised.times_raised, 2);
  EXPECT_NEAR(raised.ridge_lambda, 1e-2, 1e-15);
  EXPECT_EQ(error_code_of(
                [&] { solve_ridge_raising(*backend_, gram.view(), cross.view(), prior.view(), 1e-9, 2); }),
            ErrorCode::not_positive_definite);
}

TEST_F(Ridge, refuses_bad_arguments) {
  const OwnedMatrix gram = identity(4);
  const OwnedMatrix cross = gaussian(4, 3, 1);
  const OwnedMatrix other = gaussian(5, 3, 2);
  const auto run = [&](const OwnedMatrix& b, const OwnedMatrix& prior, double lambda) {
    return error_code_of([&] { solve_ridge(*backend_, gram.view(), b.view(), prior.view(), lambda); });
  };
  EXPECT_EQ(run(other, cross, 1e-3), ErrorCode::shape_mismatch);
  EXPECT_EQ(run(cross, other, 1e-3), ErrorCode::shape_mismatch);
  EXPECT_EQ(run(cross, cross, 0.0), ErrorCode::out_of_range);
  EXPECT_EQ(run(cross, cross, std::nan("")), ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
