#include "worker/tensor/ops/attention/attention_ops.h"

#include <string>

namespace cce {
namespace {

/// Sizes of an attention: counts positive, key_length ≥ query_length, scale > 0, window ≥ 1; q and k fit them.
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
  check_dtype(operation, "k", k, {q.dtype});
  check_shape(operation, "q", q, shape.sequences * shape.query_length, shape.query_heads() * shape.qk_dim);
  check_shape(operation, "k", k, shape.sequences * shape.key_length, shape.kv_groups * shape.qk_dim);
}

/// f32, tokens × heads.
void check_log_sum_exp(const char* operation, const AttentionShape& shape, const ConstMatrix& log_sum_exp) {
  check_dtype(operation, "log_sum_exp", log_sum_exp, {DType::f32});
  check_shape(operation, "log_sum_exp", log_sum_exp, shape.sequences * shape.query_length,
              shape.query_heads());
}

void check_attention_forward(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                             const ConstMatrix& v, const ConstMatrix& out, const ConstMatrix& log_sum_exp) {
  const char* operation = "attention_forward";
  check_attention(operation, shape, q, k);
  check_dtype(operation, "v", v, {q.dtype});
  check_dtype(operation, "out", out, {q.dtype});
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
  check_dtype(operation, "d_out", d_out, {q.dtype});
  check_shape(operation, "d_out", d_out, out.rows, out.cols);
  check_dtype(operation, "d_q", d_q, {q.dtype, DType::f32});
  check_dtype(operation, "d_k", d_k, {d_q.dtype});
  check_dtype(operation, "d_v", d_v, {d_q.dtype});
  check_shape(operation, "d_q", d_q, q.rows, q.cols);
  check_shape(operation, "d_k", d_k, k.rows, k.cols);
  check_shape(operation, "d_v", d_v, v.rows, v.cols);
}

void check_attention_variance(const AttentionShape& shape, const ConstMatrix& q, const ConstMatrix& k,
                              const ConstMatrix& log_sum_exp, const ConstMatrix& variance) {
  const char* operation = "attention_variance";
  check_attention(operation, shape, q, k);
  check_log_sum_exp(operation, shape, log_sum_exp);
  check_dtype(operation, "variance", variance, {DType::f64});
  check_shape(operation, "variance", variance, 1, shape.query_heads());
}

}  // namespace

namespace ops {

void attention_forward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                       ConstMatrix v, Matrix out, Matrix log_sum_exp) {
  check_attention_forward(shape, q, k, v, out, log_sum_exp);
  backend.ops().attention->attention_forward(backend, shape, q, k, v, out, log_sum_exp);
}

void attention_backward(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix v, ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out,
                        Matrix d_q, Matrix d_k, Matrix d_v) {
  check_attention_backward(shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k, d_v);
  backend.ops().attention->attention_backward(backend, shape, q, k, v, out, log_sum_exp, d_out, d_q, d_k,
                                              d_v);
}

void attention_variance(Backend& backend, const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                        ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) {
  check_attention_variance(shape, q, k, log_sum_exp, variance);
  backend.ops().attention->attention_variance(backend, shape, q, k, log_sum_exp, first_query, variance);
}

}  // namespace ops
}  // namespace cce
