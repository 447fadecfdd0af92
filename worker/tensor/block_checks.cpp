#include <string>

#include "common/base/error.h"
#include "worker/tensor/shape_checks.h"

namespace cce {
namespace {

struct Operand {
  const char* name;
  const ConstMatrix& matrix;
};

/// All activations, rows × cols.
void check_activations(const char* operation, std::initializer_list<Operand> operands, std::int64_t rows,
                       std::int64_t cols) {
  for (const auto& [name, matrix] : operands) {
    check_activation(operation, name, matrix);
    check_shape(operation, name, matrix, rows, cols);
  }
}

/// f32, rows × cols.
void check_single(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                  std::int64_t cols) {
  check_dtype(operation, operand, matrix, {DType::f32});
  check_shape(operation, operand, matrix, rows, cols);
}

}  // namespace

void check_convert(const ConstMatrix& source, const ConstMatrix& target) {
  check_shape("convert", "target", target, source.rows, source.cols);
  check_shape("convert", "source", source, source.rows, source.cols);
}

void check_add(const ConstMatrix& source, const ConstMatrix& target) {
  check_dtype("add", "target", target, {DType::f32, DType::f64});
  check_dtype("add", "source", source, {DType::f32, DType::bf16, target.dtype});
  check_shape("add", "source", source, target.rows, target.cols);
  check_shape("add", "target", target, target.rows, target.cols);
}

void check_add_bias(const ConstMatrix& bias, const ConstMatrix& x) {
  check_single("add_bias", "bias", bias, 1, x.cols);
  check_activations("add_bias", {{"x", x}}, x.rows, x.cols);
}

void check_row_squared_norms(const ConstMatrix& x, const ConstMatrix& out) {
  check_dtype("row_squared_norms", "x", x, {DType::f32, DType::bf16, DType::f64});
  check_dtype("row_squared_norms", "out", out, {x.dtype == DType::f64 ? DType::f64 : DType::f32});
  check_shape("row_squared_norms", "x", x, x.rows, x.cols);
  check_shape("row_squared_norms", "out", out, 1, x.rows);
}

void check_scale_rows(const ConstMatrix& source, const ConstMatrix& scale, const ConstMatrix& target) {
  check_dtype("scale_rows", "target", target, {DType::f32, DType::bf16, DType::f64});
  if (target.dtype == DType::f64) {
    check_dtype("scale_rows", "source", source, {DType::f64});
  } else {
    check_activation("scale_rows", "source", source);
  }
  check_dtype("scale_rows", "scale", scale, {target.dtype == DType::f64 ? DType::f64 : DType::f32});
  check_shape("scale_rows", "source", source, target.rows, target.cols);
  check_shape("scale_rows", "target", target, target.rows, target.cols);
  check_shape("scale_rows", "scale", scale, 1, target.rows);
}

void check_column_sums(const ConstMatrix& x, const ConstMatrix& weight, const ConstMatrix& out) {
  check_activations("column_sums", {{"x", x}}, x.rows, x.cols);
  check_single("column_sums", "out", out, 1, x.cols);
  if (!weight.empty()) {
    check_single("column_sums", "weight", weight, 1, x.rows);
  }
}

void check_embed(std::span<const std::int32_t> ids, const ConstMatrix& table, const ConstMatrix& out) {
  check_activations("embed", {{"table", table}}, table.rows, table.cols);
  check_single("embed", "out", out, std::ssize(ids), table.cols);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= table.rows) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "embed, ids",
                  .found = std::to_string(id),
                  .expected = "below the vocabulary of " + std::to_string(table.rows),
                  .remedy = "use the tokenizer of this model"};
    }
  }
}

void check_rms_norm(const ConstMatrix& x, const ConstMatrix& gain, const ConstMatrix& out) {
  check_single("rms_norm", "x", x, x.rows, x.cols);
  check_single("rms_norm", "gain", gain, 1, x.cols);
  check_activations("rms_norm", {{"out", out}}, x.rows, x.cols);
}

void check_rms_norm_backward(const ConstMatrix& d_out, const ConstMatrix& x, const ConstMatrix& gain,
                             const ConstMatrix& d_x) {
  const char* operation = "rms_norm_backward";
  check_single(operation, "x", x, x.rows, x.cols);
  check_single(operation, "d_out", d_out, x.rows, x.cols);
  check_single(operation, "gain", gain, 1, x.cols);
  check_single(operation, "d_x", d_x, x.rows, x.cols);
}

void check_swiglu(const ConstMatrix& gate, const ConstMatrix& up, const ConstMatrix& out) {
  check_activations("swiglu", {{"gate", gate}, {"up", up}, {"out", out}}, gate.rows, gate.cols);
}

void check_swiglu_backward(const ConstMatrix& d_out, const ConstMatrix& gate, const ConstMatrix& up,
                           const ConstMatrix& d_gate, const ConstMatrix& d_up) {
  check_activations("swiglu_backward",
                    {{"d_out", d_out}, {"gate", gate}, {"up", up}, {"d_gate", d_gate}, {"d_up", d_up}},
                    gate.rows, gate.cols);
}

void check_attention_variance(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                              const ConstMatrix& log_sum_exp, const ConstMatrix& variance) {
  const char* operation = "attention_variance";
  check_attention(operation, shape, q, k);
  check_log_sum_exp(operation, shape, log_sum_exp);
  check_dtype(operation, "variance", variance, {DType::f64});
  check_shape(operation, "variance", variance, 1, shape.query_heads());
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

}  // namespace cce
