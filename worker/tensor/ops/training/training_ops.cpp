#include "worker/tensor/ops/training/training_ops.h"

#include <cmath>
#include <string>

#include "common/base/error.h"

namespace cce {

AdamWFactors adamw_factors(const AdamWStep& step) {
  const auto t = static_cast<double>(step.step);
  return {.gradient_scale = static_cast<float>(step.gradient_scale),
          .beta1 = static_cast<float>(step.beta1),
          .rest1 = static_cast<float>(1.0 - step.beta1),
          .beta2 = static_cast<float>(step.beta2),
          .rest2 = static_cast<float>(1.0 - step.beta2),
          .kept = static_cast<float>(1.0 - step.learning_rate * step.weight_decay),
          .rate = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
          .inverse_root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t))),
          .epsilon = static_cast<float>(step.epsilon)};
}

void check_adamw(const AdamWStep& step, const ConstMatrix& gradient, const ConstMatrix& weights,
                 const ConstMatrix& m, const ConstMatrix& v, const ConstMatrix& copy) {
  const char* operation = "adamw";
  const struct {
    const char* operand;
    const ConstMatrix& matrix;
  } operands[] = {{"gradient", gradient}, {"weights", weights}, {"m", m}, {"v", v}};
  for (const auto& [operand, matrix] : operands) {
    check_dtype(operation, operand, matrix, {DType::f32});
    check_shape(operation, operand, matrix, weights.rows, weights.cols);
  }
  if (!copy.empty()) {
    check_activation(operation, "copy", copy);
    check_shape(operation, "copy", copy, weights.rows, weights.cols);
  }
  const auto is_decay = [](double beta) { return beta >= 0.0 && beta < 1.0; };
  if (step.step < 1 || !is_decay(step.beta1) || !is_decay(step.beta2) || !(step.epsilon > 0.0)) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "adamw, settings",
                .found = "step " + std::to_string(step.step) + ", betas " + std::to_string(step.beta1) +
                         " and " + std::to_string(step.beta2) + ", epsilon " + std::to_string(step.epsilon),
                .expected = "steps counted from 1, betas in [0, 1), epsilon > 0",
                .remedy = {}};
  }
}

namespace ops {

double inner_product(Backend& backend, ConstMatrix a, ConstMatrix b) {
  double host = 0.0;
  OwnedMatrix sum = backend.zeros(DType::f64, 1, 1);
  add_inner_product(backend, a, b, sum.view());
  backend.download(sum.view(), Matrix{&host, DType::f64, 1, 1, 1});
  return host;
}

}  // namespace ops
}  // namespace cce
