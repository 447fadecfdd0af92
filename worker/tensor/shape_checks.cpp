#include "worker/tensor/shape_checks.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

std::string place(const char* operation, const char* operand) {
  return std::string(operation) + ", " + operand;
}

[[noreturn]] void refuse_shape(const char* operation, const char* operand, std::string found,
                               std::string expected) {
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = place(operation, operand),
              .found = std::move(found),
              .expected = std::move(expected),
              .remedy = {}};
}

void check_same_dtype(const char* operation, const char* operand, const ConstMatrix& matrix, DType dtype) {
  check_dtype(operation, operand, matrix, {dtype});
}

}  // namespace

void check_shape(const char* operation, const char* operand, const ConstMatrix& matrix, std::int64_t rows,
                 std::int64_t cols) {
  if (matrix.rows != rows || matrix.cols != cols) {
    refuse_shape(operation, operand, shape_text(matrix.rows, matrix.cols), shape_text(rows, cols));
  }
  if (rows < 0 || cols < 0) {
    refuse_shape(operation, operand, shape_text(rows, cols), "sizes of at least 0");
  }
  if (matrix.rows > 1 && matrix.stride < matrix.cols) {
    refuse_shape(operation, operand, "stride " + std::to_string(matrix.stride),
                 "at least " + std::to_string(matrix.cols));
  }
  if (matrix.data == nullptr && !matrix.empty()) {
    refuse_shape(operation, operand, "no data", shape_text(rows, cols));
  }
}

void check_dtype(const char* operation, const char* operand, const ConstMatrix& matrix,
                 std::initializer_list<DType> allowed) {
  if (std::find(allowed.begin(), allowed.end(), matrix.dtype) != allowed.end()) {
    return;
  }
  std::string expected;
  for (const DType dtype : allowed) {
    expected += (expected.empty() ? "" : " or ") + std::string(name(dtype));
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = place(operation, operand),
              .found = std::string(name(matrix.dtype)),
              .expected = expected,
              .remedy = {}};
}

void check_activation(const char* operation, const char* operand, const ConstMatrix& matrix) {
  check_dtype(operation, operand, matrix, {DType::f32, DType::bf16});
}

std::int64_t check_multiply(const ConstMatrix& a, Transpose transpose_a, const ConstMatrix& b,
                            Transpose transpose_b, const ConstMatrix& c, double beta) {
  const char* operation = "multiply";
  const bool a_turned = transpose_a == Transpose::yes, b_turned = transpose_b == Transpose::yes;
  const std::int64_t inner = a_turned ? a.rows : a.cols;
  check_shape(operation, "a", a, a_turned ? inner : c.rows, a_turned ? c.rows : inner);
  check_shape(operation, "b", b, b_turned ? c.cols : inner, b_turned ? inner : c.cols);
  check_shape(operation, "c", c, c.rows, c.cols);
  check_dtype(operation, "a", a, {DType::f32, DType::bf16, DType::f64});
  check_same_dtype(operation, "b", b, a.dtype);
  if (a.dtype == DType::bf16) {
    check_activation(operation, "c", c);
  } else {
    check_same_dtype(operation, "c", c, a.dtype);
  }
  if (c.dtype == DType::bf16 && beta != 0.0) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "multiply, beta",
                .found = std::to_string(beta),
                .expected = "0 for a bf16 result",
                .remedy = "accumulate in f32"};
  }
  return inner;
}

void check_gram(const ConstMatrix& features, const ConstMatrix& gram) {
  check_shape("gram", "features", features, features.rows, features.cols);
  check_shape("gram", "gram", gram, features.cols, features.cols);
  check_dtype("gram", "features", features, {DType::f32, DType::bf16, DType::f64});
  check_same_dtype("gram", "gram", gram, features.dtype == DType::f64 ? DType::f64 : DType::f32);
}

void check_rope(const ConstMatrix& x, const RopeTable& table, std::int64_t kv_groups,
                std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position) {
  check_activation("rope", "x", x);
  check_same_dtype("rope", "table.cos", table.cos, DType::f32);
  check_same_dtype("rope", "table.sin", table.sin, DType::f32);
  if (kv_groups < 1 || heads_per_group < 1 || length < 1 || first_position < 0) {
    refuse_shape("rope", "sizes",
                 std::to_string(kv_groups) + " groups, " + std::to_string(heads_per_group) +
                     " heads per group, length " + std::to_string(length) + ", first position " +
                     std::to_string(first_position),
                 "positive counts, a position of at least 0");
  }
  const std::int64_t angles = table.cos.cols;
  if (angles % kv_groups != 0) {
    refuse_shape("rope", "table.cos", shape_text(table.cos.rows, angles),
                 "as many columns for each of " + std::to_string(kv_groups) + " groups");
  }
  check_shape("rope", "table.cos", table.cos, table.cos.rows, angles);
  check_shape("rope", "table.sin", table.sin, table.cos.rows, angles);
  check_shape("rope", "x", x, x.rows, 2 * angles * heads_per_group);
  const std::int64_t positions = first_position + std::min(length, x.rows);
  if (x.rows > 0 && positions > table.cos.rows) {
    refuse_shape("rope", "table", std::to_string(table.cos.rows) + " positions",
                 "at least " + std::to_string(positions));
  }
}

void check_attention(const char* operation, const AttentionShape& shape, const ConstMatrix& q,
                     const ConstMatrix& k) {
  const bool counts = shape.sequences >= 0 && shape.query_length >= 1 && shape.kv_groups >= 1 &&
                      shape.queries_per_group >= 1 && shape.qk_dim >= 1 && shape.vo_dim >= 1;
  if (!counts || shape.key_length < shape.query_length) {
    refuse_shape(operation, "shape",
                 std::to_string(shape.sequences) + " sequences, " + std::to_string(shape.query_length) +
                     " queries, " + std::to_string(shape.key_length) + " keys, " +
                     std::to_string(shape.kv_groups) + " groups of " +
                     std::to_string(shape.queries_per_group) + ", dims " + std::to_string(shape.qk_dim) +
                     " and " + std::to_string(shape.vo_dim),
                 "positive counts, at least as many keys as queries");
  }
  if (!(shape.scale > 0.0) || (shape.window && *shape.window < 1)) {
    refuse_shape(
        operation, "shape",
        "scale " + std::to_string(shape.scale) + ", window " + std::to_string(shape.window.value_or(0)),
        "scale > 0, window of at least 1");
  }
  check_activation(operation, "q", q);
  check_same_dtype(operation, "k", k, q.dtype);
  check_shape(operation, "q", q, shape.sequences * shape.query_length, shape.query_heads() * shape.qk_dim);
  check_shape(operation, "k", k, shape.sequences * shape.key_length, shape.kv_groups * shape.qk_dim);
}

void check_log_sum_exp(const char* operation, const AttentionShape& shape, const ConstMatrix& log_sum_exp) {
  check_same_dtype(operation, "log_sum_exp", log_sum_exp, DType::f32);
  check_shape(operation, "log_sum_exp", log_sum_exp, shape.sequences * shape.query_length,
              shape.query_heads());
}

void check_attention_forward(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                             const ConstMatrix& v, const ConstMatrix& out, const ConstMatrix& log_sum_exp) {
  const char* operation = "attention_forward";
  check_attention(operation, shape, q, k);
  check_same_dtype(operation, "v", v, q.dtype);
  check_same_dtype(operation, "out", out, q.dtype);
  check_shape(operation, "v", v, shape.sequences * shape.key_length, shape.kv_groups * shape.vo_dim);
  check_shape(operation, "out", out, q.rows, shape.query_heads() * shape.vo_dim);
  if (!log_sum_exp.empty()) {
    check_log_sum_exp(operation, shape, log_sum_exp);
  }
}

void check_attention_backward(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                              const ConstMatrix& v, const ConstMatrix& out, const ConstMatrix& log_sum_exp,
                              const ConstMatrix& d_out, const ConstMatrix& d_q, const ConstMatrix& d_k,
                              const ConstMatrix& d_v) {
  const char* operation = "attention_backward";
  check_attention_forward(shape, q, k, v, out, {});
  check_log_sum_exp(operation, shape, log_sum_exp);
  if (shape.query_length != shape.key_length) {
    refuse_shape(operation, "shape", std::to_string(shape.query_length) + " queries",
                 "as many as keys: " + std::to_string(shape.key_length));
  }
  check_same_dtype(operation, "d_out", d_out, q.dtype);
  check_shape(operation, "d_out", d_out, out.rows, out.cols);
  check_dtype(operation, "d_q", d_q, {q.dtype, DType::f32});
  check_same_dtype(operation, "d_k", d_k, d_q.dtype);
  check_same_dtype(operation, "d_v", d_v, d_q.dtype);
  check_shape(operation, "d_q", d_q, q.rows, q.cols);
  check_shape(operation, "d_k", d_k, k.rows, k.cols);
  check_shape(operation, "d_v", d_v, v.rows, v.cols);
}

void check_output(const char* operation, const ConstMatrix& hidden, const ConstMatrix& head,
                  std::span<const std::int32_t> labels, const ConstMatrix& losses) {
  check_activation(operation, "hidden", hidden);
  check_same_dtype(operation, "head", head, hidden.dtype);
  check_same_dtype(operation, "losses", losses, DType::f32);
  check_shape(operation, "hidden", hidden, hidden.rows, hidden.cols);
  check_shape(operation, "head", head, head.rows, hidden.cols);
  check_shape(operation, "losses", losses, 1, hidden.rows);
  if (std::ssize(labels) != hidden.rows) {
    refuse_shape(operation, "labels", std::to_string(labels.size()), std::to_string(hidden.rows));
  }
  for (const std::int32_t label : labels) {
    if (label >= head.rows) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = place(operation, "labels"),
                  .found = std::to_string(label),
                  .expected = "below the vocabulary of " + std::to_string(head.rows),
                  .remedy = {}};
    }
  }
}

}  // namespace cce
