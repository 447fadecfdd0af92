#include "worker/stages/encode/normed_output.h"

#include <cmath>
#include <vector>

#include "worker/passes/row_norms.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr double smallest_gain = 1e-2;  // δ

}  // namespace

NormedOutput::NormedOutput(Backend& backend, std::int64_t tokens, std::int64_t hidden_size)
    : backend_(backend), tokens_(tokens), hidden_(hidden_size) {}

void NormedOutput::start(ConstMatrix gain) {
  is_there_ = !gain.empty();
  if (!is_there_) {
    return;
  }
  if (lengths_.rows() == 0) {
    lengths_ = backend_.matrix(DType::f32, 1, tokens_);
    spread_ = backend_.matrix(DType::f32, hidden_, hidden_);
  }
  const std::vector<float> gains = to_host(backend_, gain);
  double mean_square = 0.0;
  for (const float value : gains) {
    mean_square += static_cast<double>(value) * static_cast<double>(value);
  }
  mean_square /= static_cast<double>(gains.size());
  std::vector<float> diagonal(gains.size() * gains.size(), 0.0F);
  for (std::size_t j = 0; j < gains.size(); ++j) {
    const auto value = static_cast<double>(gains[j]);
    const double damped = value * value + smallest_gain * mean_square;
    diagonal[j * gains.size() + j] = damped > 0.0 ? static_cast<float>(value / damped) : 0.0F;
  }
  backend_.upload({diagonal.data(), DType::f32, gain.cols, gain.cols, gain.cols}, spread_.view());
}

void NormedOutput::take(std::int64_t first_token, ConstMatrix output) {
  const Matrix lengths = lengths_.view().cols_from(first_token, output.rows);
  row_norms_to_power(backend_, output, 1.0, lengths);
  std::vector<float> values = to_host(backend_, lengths);
  for (float& value : values) {
    value /= std::sqrt(static_cast<float>(output.cols));
  }
  backend_.upload({values.data(), DType::f32, 1, output.rows, output.rows}, lengths);
}

void NormedOutput::add_wanted(std::int64_t first_token, Matrix error, Matrix target) {
  ops::scale_rows(backend_, error, lengths_.view().cols_from(first_token, error.rows), error);
  ops::multiply(backend_, error, Transpose::no, spread_.view(), Transpose::no, target, 1.0, 1.0);
}

void NormedOutput::carry(std::int64_t first_token, Matrix error) {
  if (carried_.rows() < error.rows) {
    carried_ = OwnedMatrix();
    carried_ = backend_.matrix(DType::f32, error.rows, error.cols);
  }
  const Matrix carried = carried_.view().rows_from(0, error.rows);
  backend_.fill_zero(carried);
  add_wanted(first_token, error, carried);
  ops::convert(backend_, carried, error);
}

void NormedOutput::divide_by_length(std::int64_t first_token, Matrix weights) {
  std::vector<float> values = to_host(backend_, weights);
  const std::vector<float> lengths = to_host(backend_, lengths_.view().cols_from(first_token, weights.cols));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = lengths[i] > 0.0F ? values[i] / lengths[i] : 0.0F;
  }
  backend_.upload({values.data(), DType::f32, 1, weights.cols, weights.cols}, weights);
}

}  // namespace cce
