#include "worker/tensor/ops/output/output_ops.h"

#include <iterator>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

/// Labels are one a token and below the vocabulary (negative ones are allowed: tokens without a loss).
void check_output(const char* operation, const ConstMatrix& hidden, const ConstMatrix& head,
                  std::span<const std::int32_t> labels, const ConstMatrix& losses) {
  check_activation(operation, "hidden", hidden);
  check_dtype(operation, "head", head, {hidden.dtype});
  check_dtype(operation, "losses", losses, {DType::f32});
  check_shape(operation, "hidden", hidden, hidden.rows, hidden.cols);
  check_shape(operation, "head", head, head.rows, hidden.cols);
  check_shape(operation, "losses", losses, 1, hidden.rows);
  if (std::ssize(labels) != hidden.rows) {
    refuse_shape(operation, "labels", std::to_string(labels.size()), std::to_string(hidden.rows));
  }
  for (const std::int32_t label : labels) {
    if (label >= head.rows) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = std::string(operation) + ", labels",
                  .found = std::to_string(label),
                  .expected = "below the vocabulary of " + std::to_string(head.rows),
                  .remedy = {}};
    }
  }
}

void check_output_gradient(const ConstMatrix& hidden, const ConstMatrix& head,
                           std::span<const std::int32_t> labels, std::span<const float> uniforms,
                           const ConstMatrix& losses, const ConstMatrix& d_hidden) {
  const char* operation = "output_gradient";
  check_output(operation, hidden, head, labels, losses);
  check_single(operation, "d_hidden", d_hidden, hidden.rows, hidden.cols);
  if (!uniforms.empty()) {
    const ConstMatrix view{uniforms.data(), DType::f32, 1, std::ssize(uniforms), std::ssize(uniforms)};
    check_shape(operation, "uniforms", view, 1, hidden.rows);
  }
}

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

}  // namespace

namespace ops {

void output_losses(Backend& backend, ConstMatrix hidden, ConstMatrix head,
                   std::span<const std::int32_t> labels, Matrix losses) {
  check_output("output_losses", hidden, head, labels, losses);
  backend.ops().output->output_losses(backend, hidden, head, labels, losses);
}

void output_gradient(Backend& backend, ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                     std::span<const float> uniforms, Matrix losses, Matrix d_hidden) {
  check_output_gradient(hidden, head, labels, uniforms, losses, d_hidden);
  backend.ops().output->output_gradient(backend, hidden, head, labels, uniforms, losses, d_hidden);
}

void output_divergence(Backend& backend, ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                       ConstMatrix teacher_head, double scale, Matrix divergence, Matrix d_hidden) {
  check_divergence(hidden, head, teacher, teacher_head, divergence, d_hidden);
  backend.ops().output->output_divergence(backend, hidden, head, teacher, teacher_head, scale, divergence,
                                          d_hidden);
}

}  // namespace ops
}  // namespace cce
