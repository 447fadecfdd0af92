#include <string>

#include "common/base/error.h"
#include "worker/tensor/shape_checks.h"

namespace cce {

void check_divergence(const ConstMatrix& hidden, const ConstMatrix& head, const ConstMatrix& teacher,
                      const ConstMatrix& teacher_head, const ConstMatrix& divergence,
                      const ConstMatrix& d_hidden) {
  const char* operation = "output_divergence";
  check_activation(operation, "hidden", hidden);
  check_dtype(operation, "head", head, {hidden.dtype});
  check_dtype(operation, "teacher", teacher, {hidden.dtype});
  check_dtype(operation, "teacher_head", teacher_head, {hidden.dtype});
  check_dtype(operation, "divergence", divergence, {DType::f32});
  check_dtype(operation, "d_hidden", d_hidden, {DType::f32});
  check_shape(operation, "hidden", hidden, hidden.rows, hidden.cols);
  check_shape(operation, "head", head, head.rows, hidden.cols);
  check_shape(operation, "teacher", teacher, hidden.rows, teacher.cols);
  check_shape(operation, "teacher_head", teacher_head, head.rows, teacher.cols);
  check_shape(operation, "divergence", divergence, 1, hidden.rows);
  check_shape(operation, "d_hidden", d_hidden, hidden.rows, hidden.cols);
}

void check_inner_product(const ConstMatrix& a, const ConstMatrix& b, const ConstMatrix& sum) {
  const char* operation = "add_inner_product";
  check_activation(operation, "a", a);
  check_activation(operation, "b", b);
  check_dtype(operation, "sum", sum, {DType::f64});
  check_shape(operation, "a", a, a.rows, a.cols);
  check_shape(operation, "b", b, a.rows, a.cols);
  check_shape(operation, "sum", sum, 1, 1);
}

void check_gain_gradient(const ConstMatrix& d_out, const ConstMatrix& x, const ConstMatrix& d_gain) {
  const char* operation = "rms_norm_gain_gradient";
  check_dtype(operation, "d_out", d_out, {DType::f32});
  check_dtype(operation, "x", x, {DType::f32});
  check_dtype(operation, "d_gain", d_gain, {DType::f32});
  check_shape(operation, "x", x, x.rows, x.cols);
  check_shape(operation, "d_out", d_out, x.rows, x.cols);
  check_shape(operation, "d_gain", d_gain, 1, x.cols);
}

void check_relative_error(const ConstMatrix& x, const ConstMatrix& target, const ConstMatrix& losses,
                          const ConstMatrix& gradient) {
  const char* operation = "relative_error";
  check_dtype(operation, "x", x, {DType::f32});
  check_activation(operation, "target", target);
  check_dtype(operation, "losses", losses, {DType::f32});
  check_shape(operation, "x", x, x.rows, x.cols);
  check_shape(operation, "target", target, x.rows, x.cols);
  check_shape(operation, "losses", losses, 1, x.rows);
  if (!gradient.empty()) {
    check_activation(operation, "gradient", gradient);
    check_shape(operation, "gradient", gradient, x.rows, x.cols);
  }
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

}  // namespace cce
