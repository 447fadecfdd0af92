#include <string>

#include "common/base/error.h"
#include "worker/model/block.h"
#include "worker/model/block_scratch.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void require_part(bool there, const char* where, const char* found) {
  if (there) return;
  throw Error{
      .code = ErrorCode::invalid_argument, .where = where, .found = found, .expected = {}, .remedy = {}};
}

/// Σ over tokens of the outputs' gradient; an empty bias has none.
void add_bias_gradient(Backend& backend, ConstMatrix d_outputs, Matrix bias) {
  if (!bias.empty()) ops::column_sums(backend, d_outputs, {}, bias);
}

/// weights ← weights + d_outputsᵀ inputs, and the bias' gradient.
void add_gradient(Backend& backend, ConstMatrix d_outputs, ConstMatrix inputs, Matrix weights, Matrix bias) {
  ops::multiply(backend, d_outputs, Transpose::yes, inputs, Transpose::no, weights, 1.0, 1.0);
  add_bias_gradient(backend, d_outputs, bias);
}

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

BlockRunner::AttentionForward BlockRunner::run_attention(const LayerWeights& weights, TokenBatch batch,
                                                         ConstMatrix stream, Matrix features) {
  const Heads heads = project_heads(weights, stream, batch.length, 0);
  const AttentionShape shape = attention_shape(weights.shape, batch);
  const Matrix log_sum_exp =
      scratch_->view(Scratch::log_sum_exp, DType::f32, batch.tokens(), shape.query_heads());
  ops::attention_forward(backend_, shape, heads.q, heads.k, heads.v, features, log_sum_exp);
  const ConstMatrix x = scratch_->view(Scratch::normalised_stream, weights.q.dtype, stream.rows, stream.cols);
  return {x, heads, features, log_sum_exp};
}

/// d_heads ← the gradient before the norm of each head that `plain` holds; nothing to do without a norm.
void BlockRunner::norm_heads_backward(ConstMatrix plain, ConstMatrix gain, Matrix d_heads, Matrix d_gain) {
  if (gain.empty()) return;
  const Matrix d_normed = scratch_->view(Scratch::d_normed_heads, DType::f32, plain.rows, plain.cols);
  const Matrix d_plain = scratch_->view(Scratch::d_plain_heads, DType::f32, plain.rows, plain.cols);
  const ConstMatrix plain_heads = by_head(plain, gain.cols);
  const Matrix d_normed_heads = by_head(d_normed, gain.cols);
  ops::convert(backend_, d_heads, d_normed);
  backend_.fill_zero(d_plain);
  ops::rms_norm_backward(backend_, d_normed_heads, plain_heads, gain, config_.rms_epsilon,
                         by_head(d_plain, gain.cols));
  if (!d_gain.empty()) {
    ops::rms_norm_gain_gradient(backend_, d_normed_heads, plain_heads, config_.rms_epsilon, d_gain);
  }
  ops::convert(backend_, d_plain, d_heads);
}

/// ∂ℓ/∂u, u what the sub-block adds before its norm: g itself where there is none, and into `d_output` where that is
/// asked for.
ConstMatrix BlockRunner::output_gradient(const LayerWeights& weights, SubBlock kind, ConstMatrix features,
                                         ConstMatrix d_stream, Matrix d_output,
                                         const LayerWeightsMutable* gradients) {
  const ConstMatrix gain = output_norm_of(weights, kind);
  if (gain.empty()) {
    if (!d_output.empty()) ops::convert(backend_, d_stream, d_output);
    return d_stream;
  }
  const Matrix output = scratch_->view(Scratch::output, DType::f32, d_stream.rows, d_stream.cols);
  if (d_output.empty())
    d_output = scratch_->view(Scratch::d_output, DType::f32, d_stream.rows, d_stream.cols);
  sub_block_output(weights, kind, features, output);
  if (gradients != nullptr) {
    const Matrix d_gain =
        kind == SubBlock::attention ? gradients->attention_output_norm : gradients->ffn_output_norm;
    ops::rms_norm_gain_gradient(backend_, d_stream, output, config_.rms_epsilon, d_gain);
  }
  backend_.fill_zero(d_output);
  ops::rms_norm_backward(backend_, d_stream, output, gain, config_.rms_epsilon, d_output);
  return d_output;
}

/// d_stream ← d_stream + ∂ℓ/∂(stream) through the norm before a sub-block, if it has one.
void BlockRunner::add_input_gradient(ConstMatrix d_x, ConstMatrix stream, ConstMatrix gain, Matrix d_gain,
                                     Matrix d_stream) {
  if (gain.empty()) return ops::add(backend_, d_x, d_stream);
  if (!d_gain.empty()) ops::rms_norm_gain_gradient(backend_, d_x, stream, config_.rms_epsilon, d_gain);
  ops::rms_norm_backward(backend_, d_x, stream, gain, config_.rms_epsilon, d_stream);
}

void BlockRunner::attention_backward_from(const AttentionForward& forward, const LayerWeights& weights,
                                          TokenBatch batch, ConstMatrix stream, Matrix d_stream,
                                          Matrix pair_products, Matrix d_output,
                                          const LayerWeightsMutable* gradients) {
  const LayerShape& layer = weights.shape;
  const DType dtype = weights.q.dtype;
  const std::int64_t tokens = batch.tokens(), hidden = stream.cols;
  const Heads& heads = forward.heads;

  // 1. dO = ∂ℓ/∂u Wₒ; dq, dk, dv side by side as q, k, v are.
  const ConstMatrix g = scratch_->in_dtype(
      output_gradient(weights, SubBlock::attention, forward.features, d_stream, d_output, gradients), dtype);
  const Matrix d_features = scratch_->view(Scratch::d_features, dtype, tokens, weights.o.cols);
  ops::multiply(backend_, g, Transpose::no, weights.o, Transpose::no, d_features);
  const std::int64_t q_width = heads.q.cols, k_width = heads.k.cols, v_width = heads.v.cols;
  const Matrix d_all = scratch_->view(Scratch::d_heads, dtype, tokens, q_width + k_width + v_width);
  const Heads d_heads{.q = d_all.cols_from(0, q_width),
                      .k = d_all.cols_from(q_width, k_width),
                      .v = d_all.cols_from(q_width + k_width, v_width),
                      .plain_q = {},
                      .plain_k = {}};
  ops::attention_backward(backend_, attention_shape(layer, batch), heads.q, heads.k, heads.v,
                          forward.features, forward.log_sum_exp, d_features, d_heads.q, d_heads.k, d_heads.v);
  if (!pair_products.empty()) sum_pair_products(layer, heads.q, d_heads.q, pair_products);

  // 2. Before the rotation and the heads' norms, then dx = dq Wq + dk Wk + dv Wv.
  turn(layer, d_heads, batch.length, 0, true);
  norm_heads_backward(heads.plain_q, weights.q_norm, d_heads.q,
                      gradients != nullptr ? gradients->q_norm : Matrix{});
  norm_heads_backward(heads.plain_k, weights.k_norm, d_heads.k,
                      gradients != nullptr ? gradients->k_norm : Matrix{});
  const Matrix d_x = scratch_->view(Scratch::d_normalised, DType::f32, tokens, hidden);
  const ConstMatrix joined = stacked({weights.q, weights.k, weights.v});
  if (!joined.empty()) {
    ops::multiply(backend_, d_all, Transpose::no, joined, Transpose::no, d_x);
  } else {
    ops::multiply(backend_, d_heads.q, Transpose::no, weights.q, Transpose::no, d_x);
    ops::multiply(backend_, d_heads.k, Transpose::no, weights.k, Transpose::no, d_x, 1.0, 1.0);
    ops::multiply(backend_, d_heads.v, Transpose::no, weights.v, Transpose::no, d_x, 1.0, 1.0);
  }

  // 3. The parameters: each matrix's gradient is (gradient of its outputs)ᵀ (its inputs).
  if (gradients != nullptr) {
    add_gradient(backend_, g, forward.features, gradients->o, gradients->o_bias);
    if (const Matrix all = stacked_writable({gradients->q, gradients->k, gradients->v}); !all.empty()) {
      ops::multiply(backend_, d_all, Transpose::yes, forward.x, Transpose::no, all, 1.0, 1.0);
    } else {
      add_gradient(backend_, d_heads.q, forward.x, gradients->q, {});
      add_gradient(backend_, d_heads.k, forward.x, gradients->k, {});
      add_gradient(backend_, d_heads.v, forward.x, gradients->v, {});
    }
    add_bias_gradient(backend_, d_heads.q, gradients->q_bias);
    add_bias_gradient(backend_, d_heads.k, gradients->k_bias);
    add_bias_gradient(backend_, d_heads.v, gradients->v_bias);
  }

  // 4. Through the norm; the residual path is g itself, already in d_stream.
  add_input_gradient(d_x, stream, weights.attention_norm,
                     gradients != nullptr ? gradients->attention_norm : Matrix{}, d_stream);
}

void BlockRunner::attention_backward(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                     Matrix features, Matrix d_stream, Matrix pair_products,
                                     Matrix d_output) {
  require_part(weights.shape.has_attention, "attention backward", "a layer without attention");
  const AttentionForward forward = run_attention(weights, batch, stream, features);
  attention_backward_from(forward, weights, batch, stream, d_stream, pair_products, d_output, nullptr);
}

void BlockRunner::ffn_backward_into(const LayerWeights& weights, ConstMatrix stream, Matrix features,
                                    Matrix d_stream, Matrix d_output, const LayerWeightsMutable* gradients) {
  // 1. Forward again.
  const GatedUnits units = project_units(weights, stream);
  ops::gated_units(backend_, config_.activation, units.gate, units.up, features);
  const DType dtype = weights.gate.dtype;
  const std::int64_t tokens = stream.rows, width = weights.gate.rows;

  // 2. dZ = ∂ℓ/∂u W_down; dgate and dup side by side as gate and up are.
  const ConstMatrix g = scratch_->in_dtype(
      output_gradient(weights, SubBlock::ffn, features, d_stream, d_output, gradients), dtype);
  const Matrix d_features = scratch_->view(Scratch::d_features, dtype, tokens, width);
  ops::multiply(backend_, g, Transpose::no, weights.down, Transpose::no, d_features);
  const Matrix d_all = scratch_->view(Scratch::d_units, dtype, tokens, 2 * width);
  const Matrix d_gate = d_all.cols_from(0, width), d_up = d_all.cols_from(width, width);
  ops::gated_units_backward(backend_, config_.activation, d_features, units.gate, units.up, d_gate, d_up);

  // 3. dx = dgate W_gate + dup W_up.
  const Matrix d_x = scratch_->view(Scratch::d_normalised, DType::f32, tokens, stream.cols);
  const ConstMatrix joined = stacked({weights.gate, weights.up});
  if (!joined.empty()) {
    ops::multiply(backend_, d_all, Transpose::no, joined, Transpose::no, d_x);
  } else {
    ops::multiply(backend_, d_gate, Transpose::no, weights.gate, Transpose::no, d_x);
    ops::multiply(backend_, d_up, Transpose::no, weights.up, Transpose::no, d_x, 1.0, 1.0);
  }

  // 4. The parameters.
  if (gradients != nullptr) {
    const ConstMatrix x = scratch_->view(Scratch::normalised_stream, dtype, tokens, stream.cols);
    add_gradient(backend_, g, features, gradients->down, gradients->down_bias);
    if (const Matrix both = stacked_writable({gradients->gate, gradients->up}); !both.empty()) {
      ops::multiply(backend_, d_all, Transpose::yes, x, Transpose::no, both, 1.0, 1.0);
    } else {
      add_gradient(backend_, d_gate, x, gradients->gate, {});
      add_gradient(backend_, d_up, x, gradients->up, {});
    }
    add_bias_gradient(backend_, d_gate, gradients->gate_bias);
    add_bias_gradient(backend_, d_up, gradients->up_bias);
  }

  // 5. Through the norm.
  add_input_gradient(d_x, stream, weights.ffn_norm, gradients != nullptr ? gradients->ffn_norm : Matrix{},
                     d_stream);
}

void BlockRunner::ffn_backward(const LayerWeights& weights, ConstMatrix stream, Matrix features,
                               Matrix d_stream, Matrix d_output) {
  ffn_backward_into(weights, stream, features, d_stream, d_output, nullptr);
}

void BlockRunner::attention_gradients(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                      Matrix d_stream, const LayerWeightsMutable& gradients) {
  require_part(weights.shape.has_attention, "attention gradients", "a layer without attention");
  const Matrix features =
      scratch_->view(Scratch::attention_output, weights.o.dtype, stream.rows, weights.o.cols);
  const AttentionForward forward = run_attention(weights, batch, stream, features);
  attention_backward_from(forward, weights, batch, stream, d_stream, {}, {}, &gradients);
}

void BlockRunner::ffn_gradients(const LayerWeights& weights, ConstMatrix stream, Matrix d_stream,
                                const LayerWeightsMutable& gradients) {
  require_part(weights.shape.has_ffn, "ffn gradients", "a layer without FFN");
  const Matrix features =
      scratch_->view(Scratch::ffn_output, weights.down.dtype, stream.rows, weights.down.cols);
  ffn_backward_into(weights, stream, features, d_stream, {}, &gradients);
}

void BlockRunner::layer_gradients(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                  Matrix d_stream, const LayerWeightsMutable& gradients) {
  if (!weights.shape.has_attention || !weights.shape.has_ffn) {
    if (weights.shape.has_attention) attention_gradients(weights, batch, stream, d_stream, gradients);
    if (weights.shape.has_ffn) ffn_gradients(weights, stream, d_stream, gradients);
    return;
  }
  // 1. Attention forward, up to the stream between the sub-blocks.
  const Matrix features =
      scratch_->view(Scratch::attention_output, weights.o.dtype, stream.rows, weights.o.cols);
  AttentionForward forward = run_attention(weights, batch, stream, features);
  const Matrix middle = scratch_->view(Scratch::middle_stream, DType::f32, stream.rows, stream.cols);
  ops::convert(backend_, stream, middle);
  project(weights, SubBlock::attention, features, middle);
  // 2. The FFN, which needs the normalised stream's memory for itself.
  ffn_gradients(weights, middle, d_stream, gradients);
  // 3. Attention from what step 1 left.
  forward.x = normalised(weights.attention_norm, stream, weights.q.dtype);
  attention_backward_from(forward, weights, batch, stream, d_stream, {}, {}, &gradients);
}

}  // namespace cce
