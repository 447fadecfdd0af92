#include "worker/stages/analyze/loss_metric.h"

#include <cmath>
#include <numeric>
#include <vector>

#include "worker/numeric/host_matrix.h"
#include "worker/numeric/loss_weighting.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

double trace(Backend& backend, ConstMatrix matrix) {
  OwnedMatrix wide = backend.zeros(DType::f64, matrix.rows, 1);
  ops::add(backend, diagonal_view(matrix), wide.view());
  const std::vector<double> diagonal = host_values(backend, wide.view());
  return std::accumulate(diagonal.begin(), diagonal.end(), 0.0);
}

/// W̃ of W.
OwnedMatrix loss_weighted_outputs(Backend& backend, const SubBlockStatistics& statistics,
                                  ConstMatrix output_weights, double tokens, const EncodeSettings& settings) {
  const ConstMatrix gradient = statistics.gradient_covariance.view();
  if (settings.loss_weighted_scores) {
    const OwnedMatrix second_moment = scaled_copy(backend, gradient, 1.0 / tokens);
    const OwnedMatrix root = loss_root(backend, second_moment.view());
    return weight_outputs(backend, output_weights, root.view());
  }
  const double energy = trace(backend, gradient);
  return scaled_copy(backend, output_weights,
                     std::sqrt(energy / tokens / static_cast<double>(gradient.rows)));
}

}  // namespace

OwnedMatrix scaled_copy(Backend& backend, ConstMatrix source, double factor) {
  OwnedMatrix result = backend.zeros(DType::f64, source.rows, source.cols);
  ops::add(backend, source, result.view(), factor);
  return result;
}

OwnedMatrix transposed_f64(Backend& backend, ConstMatrix stored) {
  OwnedMatrix wide = backend.matrix(DType::f32, stored.rows, stored.cols);
  ops::convert(backend, stored, wide.view());
  OwnedMatrix turned = backend.matrix(DType::f32, stored.cols, stored.rows);
  ops::transpose(backend, wide.view(), turned.view());
  OwnedMatrix result = backend.matrix(DType::f64, stored.cols, stored.rows);
  ops::convert(backend, turned.view(), result.view());
  return result;
}

void store_transposed(Backend& backend, ConstMatrix solution, HostMatrix& stored) {
  stored = HostMatrix(solution.cols, solution.rows);
  OwnedMatrix narrow = backend.matrix(DType::f32, solution.rows, solution.cols);
  ops::convert(backend, solution, narrow.view());
  OwnedMatrix turned = backend.matrix(DType::f32, solution.cols, solution.rows);
  ops::transpose(backend, narrow.view(), turned.view());
  backend.download(turned.view(), stored.view());
}

OwnedMatrix loss_covariance(Backend& backend, const SubBlockStatistics& statistics, double tokens,
                            const EncodeSettings& settings) {
  return settings.gradient_weighted_covariance
             ? scaled_copy(backend, statistics.weighted_covariance.view(),
                           1.0 / trace(backend, statistics.gradient_covariance.view()))
             : scaled_copy(backend, statistics.covariance.view(), 1.0 / tokens);
}

LossMetric make_loss_metric(Backend& backend, const SubBlockStatistics& statistics, ConstMatrix output,
                            double tokens, const EncodeSettings& settings) {
  LossMetric result;
  result.covariance = loss_covariance(backend, statistics, tokens, settings);
  result.output_weights = transposed_f64(backend, output);
  result.weighted_outputs =
      loss_weighted_outputs(backend, statistics, result.output_weights.view(), tokens, settings);
  return result;
}

}  // namespace cce
