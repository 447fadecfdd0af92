#include "worker/numeric/ridge.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/numeric/counter_random.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr double dead_penalty = 1e-12;
constexpr std::int64_t selection_outputs = 128;

void check_arguments(ConstMatrix gram, ConstMatrix cross, ConstMatrix prior, double ridge_lambda) {
  expect_f64(gram, gram.rows, gram.rows, "ridge, Gram matrix of the features");
  expect_f64(cross, gram.rows, cross.cols, "ridge, features x targets");
  expect_f64(prior, gram.rows, cross.cols, "ridge, prior");
  if (!(ridge_lambda > 0.0) || !std::isfinite(ridge_lambda)) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "ridge_lambda",
                .found = std::to_string(ridge_lambda),
                .expected = "a positive number",
                .remedy = "Choose 0.1, or leave encode.ridge_lambda out"};
  }
}

/// Λ = λ diag(gram).
std::vector<double> scaled_diagonal(std::span<const double> diagonal, double ridge_lambda) {
  const double largest = largest_of_diagonal(diagonal);
  std::vector<double> penalty;
  penalty.reserve(diagonal.size());
  for (const double value : diagonal) {
    penalty.push_back(ridge_lambda * (is_dead(value, largest) ? dead_penalty * largest : value));
  }
  return penalty;
}

/// Φ, outputs × `selection_outputs`, the same for every call; empty where the outputs are few enough as they
/// are.
OwnedMatrix output_mixing(Backend& backend, std::int64_t outputs) {
  if (outputs <= selection_outputs) {
    return {};
  }
  OwnedMatrix mixing = backend.matrix(DType::f64, outputs, selection_outputs);
  fill_normal(backend, CounterRandom(0, RandomStream::ridge_selection),
              1.0 / std::sqrt(static_cast<double>(selection_outputs)), mixing.view());
  return mixing;
}

/// matrix Φ.
OwnedMatrix mix_outputs(Backend& backend, ConstMatrix matrix, ConstMatrix mixing) {
  if (mixing.empty()) {
    return copy_f64(backend, matrix);
  }
  OwnedMatrix mixed = backend.matrix(DType::f64, matrix.rows, mixing.cols);
  ops::multiply(backend, matrix, Transpose::no, mixing, Transpose::no, mixed.view());
  return mixed;
}

std::vector<double> heldout_errors(Backend& backend, const RidgeSums& training, const RidgeSums& heldout,
                                   ConstMatrix prior, std::span<const double> candidates) {
  const OwnedMatrix mixing = output_mixing(backend, training.cross.cols);
  const OwnedMatrix training_cross = mix_outputs(backend, training.cross, mixing.view());
  const OwnedMatrix heldout_cross = mix_outputs(backend, heldout.cross, mixing.view());
  const OwnedMatrix mixed_prior = mix_outputs(backend, prior, mixing.view());
  const RidgeSums mixed_heldout{heldout.gram, heldout_cross.view(), heldout.target_energy};
  std::vector<double> errors;
  for (const double candidate : candidates) {
    const RidgeSolution trial = solve_ridge_raising(backend, training.gram, training_cross.view(),
                                                    mixed_prior.view(), candidate);  // 1.
    errors.push_back(ridge_error(backend, trial.weights.view(), mixed_heldout));     // 2.
  }
  return errors;
}

}  // namespace

OwnedMatrix solve_ridge(Backend& backend, ConstMatrix gram, ConstMatrix cross, ConstMatrix prior,
                        double ridge_lambda) {
  check_arguments(gram, cross, prior, ridge_lambda);
  std::vector<double> diagonal = diagonal_of(backend, gram);
  const std::vector<double> penalty = scaled_diagonal(diagonal, ridge_lambda);
  std::transform(diagonal.begin(), diagonal.end(), penalty.begin(), diagonal.begin(), std::plus<>());
  OwnedMatrix normal_matrix = copy_f64(backend, gram);  // 1.
  set_diagonal(backend, normal_matrix.view(), diagonal);
  OwnedMatrix weights = backend.matrix(DType::f64, 1, gram.rows);  // 2.
  backend.upload({penalty.data(), DType::f64, 1, gram.rows, gram.rows}, weights.view());
  OwnedMatrix solution = backend.matrix(DType::f64, cross.rows, cross.cols);
  ops::scale_rows(backend, prior, weights.view(), solution.view());
  ops::add(backend, cross, solution.view());
  cholesky_or_throw(backend, normal_matrix.view(), "ridge", "use ten times the ridge_lambda");  // 3.
  ops::cholesky_solve(backend, normal_matrix.view(), solution.view());
  return solution;
}

RidgeSolution solve_ridge_raising(Backend& backend, ConstMatrix gram, ConstMatrix cross, ConstMatrix prior,
                                  double ridge_lambda, int most_raises) {
  for (int raises = 0;; ++raises) {
    try {
      return {solve_ridge(backend, gram, cross, prior, ridge_lambda), ridge_lambda, raises, {}};
    } catch (const Error& error) {
      if (error.code != ErrorCode::not_positive_definite || raises == most_raises) {
        throw;
      }
      ridge_lambda *= 10.0;
    }
  }
}

double ridge_error(Backend& backend, ConstMatrix weights, const RidgeSums& sums) {
  expect_f64(sums.gram, weights.rows, weights.rows, "ridge error, Gram matrix");
  expect_f64(sums.cross, weights.rows, weights.cols, "ridge error, features x targets");
  // tr(Wᵀ A W) − 2 tr(Wᵀ B) = ⟨W, A W − 2 B⟩
  OwnedMatrix residual = copy_f64(backend, sums.cross);
  ops::multiply(backend, sums.gram, Transpose::no, weights, Transpose::no, residual.view(), 1.0, -2.0);
  return inner_product(backend, weights, residual.view()) + sums.target_energy;
}

RidgeSolution refit_outputs(Backend& backend, const RidgeSums& training, const RidgeSums& heldout,
                            ConstMatrix prior, std::span<const double> candidates) {
  if (candidates.empty()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "ridge_lambda",
                .found = "no candidates",
                .expected = "at least one",
                .remedy = "Pass the candidates 0.001, 0.01, 0.1"};
  }
  std::vector<double> errors;
  std::size_t best = 0;
  if (candidates.size() > 1) {
    errors = heldout_errors(backend, training, heldout, prior, candidates);
    best = static_cast<std::size_t>(std::min_element(errors.begin(), errors.end()) - errors.begin());
  }
  RidgeSolution result =
      solve_ridge_raising(backend, training.gram, training.cross, prior, candidates[best]);  // 3.
  result.heldout_errors = std::move(errors);
  return result;
}

}  // namespace cce
