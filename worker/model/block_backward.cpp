#include <string>

#include "common/error.h"
#include "worker/model/block.h"
#include "worker/model/block_scratch.h"

namespace cce {
namespace {

float value_of(float stored) {
  return stored;
}
float value_of(BFloat16 stored) {
  return to_float(stored);
}

template <typename T>
void add_pair_products(const LayerShape& shape, ConstMatrix q, ConstMatrix d_q, float* products) {
  const std::int64_t pairs = shape.qk_dim / 2;
  for (std::int64_t token = 0; token < q.rows; ++token) {
    for (std::int64_t head = 0; head < shape.query_heads(); ++head) {
      const std::int64_t offset = token * q.cols + head * shape.qk_dim;
      const T* q_head = q.as<T>() + offset;
      const T* d_q_head = d_q.as<T>() + offset;
      float* group = products + (token * shape.kv_groups + head / shape.queries_per_group) * pairs;
      for (std::int64_t j = 0; j < pairs; ++j) {
        group[j] += value_of(q_head[j]) * value_of(d_q_head[j]) +
                    value_of(q_head[j + pairs]) * value_of(d_q_head[j + pairs]);
      }
    }
  }
}

}  // namespace

/// p_tj = Σ_{heads h of the group} Σ_{dims i ∈ {j, j + qk_dim / 2}} q_thi ∂ℓ/∂q_thi. Rotations keep each
/// pair's inner product, so q and its gradient may both be the rotated ones. Done on the host: one product
/// per element of q.
void BlockRunner::sum_pair_products(const LayerShape& shape, ConstMatrix q, ConstMatrix d_q,
                                    Matrix pair_products) {
  const std::int64_t tokens = q.rows, width = q.cols;
  const std::int64_t pairs = shape.qk_dim / 2;
  const std::int64_t columns = shape.kv_groups * pairs;
  if (pair_products.rows != tokens || pair_products.cols != columns || pair_products.dtype != DType::f32) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "pair_products",
                .found = std::to_string(pair_products.rows) + " × " + std::to_string(pair_products.cols),
                .expected = std::to_string(tokens) + " × " + std::to_string(columns) + " in f32",
                .remedy = {}};
  }
  const auto to_host = [&](ConstMatrix source, std::vector<std::byte>& host) {
    host.resize(static_cast<std::size_t>(tokens * width) * size_in_bytes(source.dtype));
    const Matrix copy{host.data(), source.dtype, tokens, width, width};
    backend_.download(source, copy);
    return ConstMatrix(copy);
  };
  const ConstMatrix host_q = to_host(q, scratch_->host_q), host_d_q = to_host(d_q, scratch_->host_d_q);
  scratch_->host_products.assign(static_cast<std::size_t>(tokens * columns), 0.0f);
  if (q.dtype == DType::bf16) {
    add_pair_products<BFloat16>(shape, host_q, host_d_q, scratch_->host_products.data());
  } else {
    add_pair_products<float>(shape, host_q, host_d_q, scratch_->host_products.data());
  }
  backend_.upload(ConstMatrix{scratch_->host_products.data(), DType::f32, tokens, columns, columns},
                  pair_products);
}

void BlockRunner::attention_backward(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                     Matrix features, Matrix d_stream, Matrix pair_products) {
  if (!weights.shape.has_attention) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "attention backward",
                .found = "a layer without attention",
                .expected = {},
                .remedy = {}};
  }
  const LayerShape& layer = weights.shape;
  const DType dtype = weights.q.dtype;
  const std::int64_t tokens = batch.tokens(), hidden = stream.cols;

  // 1. Forward again: q, k, v, head outputs and the softmax's normalisers.
  const Heads heads = project_heads(weights, stream, batch.length, 0);
  const AttentionShape shape = attention_shape(layer, batch);
  const Matrix log_sum_exp = scratch_->view(Scratch::log_sum_exp, DType::f32, tokens, shape.query_heads());
  backend_.attention_forward(shape, heads.q, heads.k, heads.v, features, log_sum_exp);

  // 2. dO = g Wₒ; dq, dk, dv side by side as q, k, v are.
  const ConstMatrix g = scratch_->in_dtype(d_stream, dtype);
  const Matrix d_features = scratch_->view(Scratch::d_features, dtype, tokens, weights.o.cols);
  backend_.multiply(g, Transpose::no, weights.o, Transpose::no, d_features);
  const std::int64_t q_width = heads.q.cols, k_width = heads.k.cols, v_width = heads.v.cols;
  const Matrix d_all = scratch_->view(Scratch::d_heads, dtype, tokens, q_width + k_width + v_width);
  const Heads d_heads{d_all.cols_from(0, q_width), d_all.cols_from(q_width, k_width),
                      d_all.cols_from(q_width + k_width, v_width)};
  backend_.attention_backward(shape, heads.q, heads.k, heads.v, features, log_sum_exp, d_features, d_heads.q,
                              d_heads.k, d_heads.v);
  if (!pair_products.empty()) sum_pair_products(layer, heads.q, d_heads.q, pair_products);

  // 3. Before the rotation, then dx = dq Wq + dk Wk + dv Wv.
  const RopeTable table = scratch_->rope.for_layer(layer, batch.length);
  backend_.rope(d_heads.q, table, layer.kv_groups, layer.queries_per_group, batch.length, 0, true);
  backend_.rope(d_heads.k, table, layer.kv_groups, 1, batch.length, 0, true);
  const Matrix d_x = scratch_->view(Scratch::d_normalised, DType::f32, tokens, hidden);
  const ConstMatrix joined = stacked({weights.q, weights.k, weights.v});
  if (!joined.empty()) {
    backend_.multiply(d_all, Transpose::no, joined, Transpose::no, d_x);
  } else {
    backend_.multiply(d_heads.q, Transpose::no, weights.q, Transpose::no, d_x);
    backend_.multiply(d_heads.k, Transpose::no, weights.k, Transpose::no, d_x, 1.0, 1.0);
    backend_.multiply(d_heads.v, Transpose::no, weights.v, Transpose::no, d_x, 1.0, 1.0);
  }

  // 4. Through the norm; the residual path is g itself, already in d_stream.
  backend_.rms_norm_backward(d_x, stream, weights.attention_norm, config_.rms_epsilon, d_stream);
}

void BlockRunner::ffn_backward(const LayerWeights& weights, ConstMatrix stream, Matrix features,
                               Matrix d_stream) {
  // 1. Forward again.
  const GatedUnits units = project_units(weights, stream);
  backend_.swiglu(units.gate, units.up, features);
  const DType dtype = weights.gate.dtype;
  const std::int64_t tokens = stream.rows, width = weights.gate.rows;

  // 2. dZ = g W_down; dgate and dup side by side as gate and up are.
  const ConstMatrix g = scratch_->in_dtype(d_stream, dtype);
  const Matrix d_features = scratch_->view(Scratch::d_features, dtype, tokens, width);
  backend_.multiply(g, Transpose::no, weights.down, Transpose::no, d_features);
  const Matrix d_all = scratch_->view(Scratch::d_units, dtype, tokens, 2 * width);
  const Matrix d_gate = d_all.cols_from(0, width), d_up = d_all.cols_from(width, width);
  backend_.swiglu_backward(d_features, units.gate, units.up, d_gate, d_up);

  // 3. dx = dgate W_gate + dup W_up, then through the norm.
  const Matrix d_x = scratch_->view(Scratch::d_normalised, DType::f32, tokens, stream.cols);
  const ConstMatrix joined = stacked({weights.gate, weights.up});
  if (!joined.empty()) {
    backend_.multiply(d_all, Transpose::no, joined, Transpose::no, d_x);
  } else {
    backend_.multiply(d_gate, Transpose::no, weights.gate, Transpose::no, d_x);
    backend_.multiply(d_up, Transpose::no, weights.up, Transpose::no, d_x, 1.0, 1.0);
  }
  backend_.rms_norm_backward(d_x, stream, weights.ffn_norm, config_.rms_epsilon, d_stream);
}

}  // namespace cce
