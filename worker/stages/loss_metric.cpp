#include "worker/stages/loss_metric.h"

#include <cmath>

#include "worker/numeric/loss_weighting.h"

namespace cce {
namespace {

double trace(ConstMatrix matrix) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < matrix.rows; ++i) {
    sum += matrix.as<double>()[i * matrix.stride + i];
  }
  return sum;
}

}  // namespace

OwnedMatrix scaled_copy(Backend& backend, ConstMatrix source, double factor) {
  OwnedMatrix result = backend.zeros(DType::f64, source.rows, source.cols);
  backend.add(source, result.view(), factor);
  return result;
}

OwnedMatrix transposed_f64(Backend& backend, ConstMatrix stored) {
  OwnedMatrix wide = backend.matrix(DType::f32, stored.rows, stored.cols);
  backend.convert(stored, wide.view());
  OwnedMatrix result = backend.matrix(DType::f64, stored.cols, stored.rows);
  const float* from = wide.as<float>();
  double* to = result.as<double>();
  for (std::int64_t row = 0; row < stored.rows; ++row) {
    for (std::int64_t col = 0; col < stored.cols; ++col) {
      to[col * stored.rows + row] = static_cast<double>(from[row * stored.cols + col]);
    }
  }
  return result;
}

LossMetric make_loss_metric(Backend& backend, const SubBlockStatistics& statistics, ConstMatrix output,
                            double tokens, const EncodeSettings& settings) {
  LossMetric result;
  const double energy = trace(statistics.gradient_covariance.view());
  result.covariance = settings.gradient_weighted_covariance
                          ? scaled_copy(backend, statistics.weighted_covariance.view(), 1.0 / energy)
                          : scaled_copy(backend, statistics.covariance.view(), 1.0 / tokens);
  result.output_weights = transposed_f64(backend, output);
  if (settings.loss_weighted_scores) {
    const OwnedMatrix second_moment =
        scaled_copy(backend, statistics.gradient_covariance.view(), 1.0 / tokens);
    const OwnedMatrix root = loss_root(backend, second_moment.view());
    result.weighted_outputs = weight_outputs(backend, result.output_weights.view(), root.view());
  } else {
    const double mean_gradient = std::sqrt(energy / tokens / static_cast<double>(output.rows));
    result.weighted_outputs = scaled_copy(backend, result.output_weights.view(), mean_gradient);
  }
  return result;
}

}  // namespace cce
