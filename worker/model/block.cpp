#include "worker/model/block.h"

#include <cmath>
#include <string>

#include "common/base/error.h"
#include "worker/model/block_scratch.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void require_attention(const LayerWeights& weights) {
  if (weights.shape.has_attention) return;
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "attention features",
              .found = "a layer without attention",
              .expected = {},
              .remedy = {}};
}

}  // namespace

BlockRunner::BlockRunner(Backend& backend, const ModelConfig& config)
    : backend_(backend), config_(config), scratch_(std::make_unique<Scratch>(backend, config)) {}

BlockRunner::~BlockRunner() = default;

ConstMatrix BlockRunner::normalised(ConstMatrix gain, ConstMatrix stream, DType dtype) {
  const Matrix x = scratch_->view(Scratch::normalised_stream, dtype, stream.rows, stream.cols);
  if (gain.empty()) {
    ops::convert(backend_, stream, x);
  } else {
    ops::rms_norm(backend_, stream, gain, config_.rms_epsilon, x);
  }
  return x;
}

AttentionShape BlockRunner::attention_shape(const LayerShape& shape, TokenBatch batch) const {
  return {.sequences = batch.sequences,
          .query_length = batch.length,
          .key_length = batch.length,
          .kv_groups = shape.kv_groups,
          .queries_per_group = shape.queries_per_group,
          .qk_dim = shape.qk_dim,
          .vo_dim = shape.vo_dim,
          .scale = config_.score_scale.value_or(1.0 / std::sqrt(static_cast<double>(config_.head_dim))),
          .window = shape.window};
}

BlockRunner::Heads BlockRunner::project_plain_heads(const LayerWeights& weights, ConstMatrix x) {
  // x [Wqᵀ Wkᵀ Wvᵀ] side by side: one product where the three lie back to back, as in a packed layer.
  const std::int64_t q_width = weights.q.rows, k_width = weights.k.rows, v_width = weights.v.rows;
  const Matrix all = scratch_->view(Scratch::heads, x.dtype, x.rows, q_width + k_width + v_width);
  const Heads heads{.q = all.cols_from(0, q_width),
                    .k = all.cols_from(q_width, k_width),
                    .v = all.cols_from(q_width + k_width, v_width),
                    .plain_q = {},
                    .plain_k = {}};
  const ConstMatrix joined = stacked({weights.q, weights.k, weights.v});
  if (!joined.empty()) {
    ops::multiply(backend_, x, Transpose::no, joined, Transpose::yes, all);
  } else {
    ops::multiply(backend_, x, Transpose::no, weights.q, Transpose::yes, heads.q);
    ops::multiply(backend_, x, Transpose::no, weights.k, Transpose::yes, heads.k);
    ops::multiply(backend_, x, Transpose::no, weights.v, Transpose::yes, heads.v);
  }
  if (!weights.q_bias.empty()) ops::add_bias(backend_, weights.q_bias, heads.q);
  if (!weights.k_bias.empty()) ops::add_bias(backend_, weights.k_bias, heads.k);
  if (!weights.v_bias.empty()) ops::add_bias(backend_, weights.v_bias, heads.v);
  return heads;
}

/// q_h ← gain ⊙ q_h / √(mean q_h² + ε) for every query head h, or for all heads together, as long as the gain is; keys
/// alike. The projections stay in f32, where
/// the norm reads them, and heads lie one after another, so that each is a row.
BlockRunner::Heads BlockRunner::project_normed_heads(const LayerWeights& weights, ConstMatrix x) {
  const std::int64_t tokens = x.rows, q_width = weights.q.rows, k_width = weights.k.rows,
                     v_width = weights.v.rows;
  const Matrix all = scratch_->view(Scratch::heads, x.dtype, tokens, q_width + k_width + v_width);
  std::byte* next = all.as<std::byte>();
  const auto take = [&](std::int64_t width) {
    const Matrix part{next, x.dtype, tokens, width, width};
    next += static_cast<std::size_t>(tokens * width) * size_in_bytes(x.dtype);
    return part;
  };
  Heads heads{.q = take(q_width), .k = take(k_width), .v = take(v_width), .plain_q = {}, .plain_k = {}};
  const auto project_to = [&](ConstMatrix matrix, ConstMatrix bias, Matrix target) {
    ops::multiply(backend_, x, Transpose::no, matrix, Transpose::yes, target);
    if (!bias.empty()) ops::add_bias(backend_, bias, target);
  };
  const auto project_and_norm = [&](ConstMatrix matrix, ConstMatrix bias, ConstMatrix gain,
                                    Scratch::Slot slot, Matrix& plain, Matrix target) {
    if (gain.empty()) return project_to(matrix, bias, target);
    plain = scratch_->view(slot, DType::f32, tokens, target.cols);
    project_to(matrix, bias, plain);
    ops::rms_norm(backend_, by_head(plain, gain.cols), gain, config_.rms_epsilon, by_head(target, gain.cols));
  };
  project_and_norm(weights.q, weights.q_bias, weights.q_norm, Scratch::plain_queries, heads.plain_q, heads.q);
  project_and_norm(weights.k, weights.k_bias, weights.k_norm, Scratch::plain_keys, heads.plain_k, heads.k);
  project_to(weights.v, weights.v_bias, heads.v);
  return heads;
}

BlockRunner::Heads BlockRunner::project_heads(const LayerWeights& weights, ConstMatrix stream,
                                              std::int64_t length, std::int64_t first_position) {
  const LayerShape& shape = weights.shape;
  const ConstMatrix x = normalised(weights.attention_norm, stream, weights.q.dtype);
  const Heads heads =
      shape.keeps_qk_whole() ? project_normed_heads(weights, x) : project_plain_heads(weights, x);
  turn(shape, heads, length, first_position, false);
  return heads;
}

/// Queries and keys by their positions, or back; not at all in a layer without rotary positions.
void BlockRunner::turn(const LayerShape& shape, const Heads& heads, std::int64_t length,
                       std::int64_t first_position, bool inverse) {
  if (shape.rope == LayerShape::no_rope) return;
  const RopeTable table = scratch_->rope.for_layer(shape, first_position + length);
  ops::rope(backend_, heads.q, table, shape.kv_groups, shape.queries_per_group, length, first_position,
            inverse);
  ops::rope(backend_, heads.k, table, shape.kv_groups, 1, length, first_position, inverse);
}

void BlockRunner::attention_features(const LayerWeights& weights, TokenBatch batch, ConstMatrix stream,
                                     Matrix features, Matrix attention_variance) {
  require_attention(weights);
  const Heads heads = project_heads(weights, stream, batch.length, 0);
  const AttentionShape shape = attention_shape(weights.shape, batch);
  Matrix log_sum_exp;
  if (!attention_variance.empty()) {
    log_sum_exp = scratch_->view(Scratch::log_sum_exp, DType::f32, batch.tokens(), shape.query_heads());
  }
  ops::attention_forward(backend_, shape, heads.q, heads.k, heads.v, features, log_sum_exp);
  if (!attention_variance.empty()) {
    ops::attention_variance(backend_, shape, heads.q, heads.k, log_sum_exp, first_variance_query,
                            attention_variance);
  }
}

void BlockRunner::attention_features_cached(const LayerWeights& weights, ConstMatrix stream,
                                            KeyValueCache& cache, Matrix features) {
  require_attention(weights);
  const std::int64_t added = stream.rows;
  const std::int64_t length = cache.length + added;
  if (length > cache.keys.rows()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "key/value cache",
                .found = std::to_string(length) + " positions",
                .expected = "at most " + std::to_string(cache.keys.rows()),
                .remedy = {}};
  }
  const Heads heads = project_heads(weights, stream, added, cache.length);
  ops::convert(backend_, heads.k, cache.keys.view().rows_from(cache.length, added));
  ops::convert(backend_, heads.v, cache.values.view().rows_from(cache.length, added));
  cache.length = length;

  AttentionShape shape = attention_shape(weights.shape, {.sequences = 1, .length = added});
  shape.key_length = length;
  const KeyValueCache& filled = cache;
  ops::attention_forward(backend_, shape, heads.q, filled.keys.view().rows_from(0, length),
                         filled.values.view().rows_from(0, length), features, {});
}

BlockRunner::GatedUnits BlockRunner::project_units(const LayerWeights& weights, ConstMatrix stream) {
  if (!weights.shape.has_ffn) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "ffn features",
                .found = "a layer without FFN",
                .expected = {},
                .remedy = {}};
  }
  const DType dtype = weights.gate.dtype;
  const std::int64_t width = weights.gate.rows;
  const ConstMatrix x = normalised(weights.ffn_norm, stream, dtype);
  const Matrix all = scratch_->view(Scratch::units, dtype, stream.rows, 2 * width);
  const GatedUnits units{all.cols_from(0, width), all.cols_from(width, width)};
  const ConstMatrix joined = stacked({weights.gate, weights.up});
  if (!joined.empty()) {
    ops::multiply(backend_, x, Transpose::no, joined, Transpose::yes, all);
  } else {
    ops::multiply(backend_, x, Transpose::no, weights.gate, Transpose::yes, units.gate);
    ops::multiply(backend_, x, Transpose::no, weights.up, Transpose::yes, units.up);
  }
  if (!weights.gate_bias.empty()) ops::add_bias(backend_, weights.gate_bias, units.gate);
  if (!weights.up_bias.empty()) ops::add_bias(backend_, weights.up_bias, units.up);
  return units;
}

void BlockRunner::ffn_features(const LayerWeights& weights, ConstMatrix stream, Matrix features) {
  const GatedUnits units = project_units(weights, stream);
  ops::gated_units(backend_, config_.activation, units.gate, units.up, features);
}

void BlockRunner::sub_block_output(const LayerWeights& weights, SubBlock kind, ConstMatrix features,
                                   Matrix output) {
  const ConstMatrix bias = output_bias_of(weights, kind);
  ops::multiply(backend_, features, Transpose::no, output_of(weights, kind), Transpose::yes, output);
  if (!bias.empty()) ops::add_bias(backend_, bias, output);
}

void BlockRunner::project(const LayerWeights& weights, SubBlock kind, ConstMatrix features, Matrix stream) {
  const ConstMatrix gain = output_norm_of(weights, kind);
  if (gain.empty()) {
    const ConstMatrix bias = output_bias_of(weights, kind);
    ops::multiply(backend_, features, Transpose::no, output_of(weights, kind), Transpose::yes, stream, 1.0,
                  1.0);
    if (!bias.empty()) ops::add_bias(backend_, bias, stream);
    return;
  }
  const Matrix output = scratch_->view(Scratch::output, DType::f32, stream.rows, stream.cols);
  const Matrix normed = scratch_->view(Scratch::d_output, DType::f32, stream.rows, stream.cols);
  sub_block_output(weights, kind, features, output);
  ops::rms_norm(backend_, output, gain, config_.rms_epsilon, normed);
  ops::add(backend_, normed, stream);
}

void run_layer(Backend& backend, BlockRunner& runner, const LayerWeights& weights, TokenBatch batch,
               Matrix stream, OwnedMatrix& features_scratch, Matrix attention_variance) {
  const auto features_of = [&](DType dtype, std::int64_t width) {
    const std::size_t bytes = static_cast<std::size_t>(stream.rows * width) * size_in_bytes(dtype);
    if (features_scratch.bytes() < bytes) features_scratch = backend.matrix(dtype, stream.rows, width);
    return Matrix{features_scratch.as<std::byte>(), dtype, stream.rows, width, width};
  };
  if (weights.shape.has_attention) {
    const Matrix features = features_of(weights.o.dtype, weights.o.cols);
    runner.attention_features(weights, batch, stream, features, attention_variance);
    runner.project(weights, SubBlock::attention, features, stream);
  }
  if (weights.shape.has_ffn) {
    const Matrix features = features_of(weights.down.dtype, weights.down.cols);
    runner.ffn_features(weights, stream, features);
    runner.project(weights, SubBlock::ffn, features, stream);
  }
}

}  // namespace cce
