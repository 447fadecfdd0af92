#include "common/cost/stage_sizes.h"

#include <algorithm>

#include "common/cost/sizes.h"

namespace cce::cost {
namespace {

template <typename... Sizes>
std::int64_t sum_of(const ValueBytes& values, const Sizes&... sizes) {
  return (sizes.bytes(values) + ...);
}

}  // namespace

std::int64_t MatrixSize::bytes_of_one(const ValueBytes& values) const {
  const std::int64_t width = value == Value::f32       ? 4
                             : value == Value::f64     ? 8
                             : value == Value::compute ? values.compute
                                                       : values.kept_sum;
  return rows * cols * width;
}

std::int64_t runner_bytes(const ModelConfig& config, Passage passage, const TokenCounts& tokens,
                          const ValueBytes& values) {
  std::int64_t ffn = 0, heads = 0, query_heads = 0, projections = 0, normed = 0, outputs = 0, pairs = 0;
  for (const LayerShape& shape : config.layers) {
    ffn = std::max(ffn, ffn_width(shape));
    heads = std::max(heads, head_output_width(shape));
    query_heads = std::max(query_heads, shape.query_heads());
    pairs = std::max(pairs, rotary_pairs(shape));
    const std::int64_t queries_and_keys = (shape.query_heads() + shape.kv_groups) * shape.qk_dim;
    projections = std::max(projections, queries_and_keys + shape.kv_groups * shape.vo_dim);
    normed = std::max(normed, shape.keeps_qk_whole() ? queries_and_keys : 0);
    outputs = shape.attention_output_norm || shape.ffn_output_norm ? 2 * config.hidden_size : outputs;
  }
  const std::int64_t d = config.hidden_size;
  const std::int64_t features = std::max(ffn, heads);
  std::int64_t narrow = 2 * ffn + features + projections + d;
  std::int64_t wide = query_heads + normed + outputs;
  if (passage != Passage::forward) {
    narrow += 2 * ffn + features + projections + d;
    wide += d + 2 * normed;
  }
  if (passage == Passage::training) {
    narrow += ffn + heads;
    wide += d;
  }
  const std::int64_t angles =
      static_cast<std::int64_t>(config.ropes.size()) * 2 * 2 * pairs * tokens.window * 4;
  return tokens.micro_batch * (narrow * values.compute + wide * 4) + angles;
}

SubBlockSumSizes sub_block_sum_sizes(std::int64_t width, std::int64_t hidden_size) {
  const std::int64_t d = width > 0 ? hidden_size : 0;
  return {.weighted_covariance = {.rows = width, .cols = width, .value = Value::kept_sum},
          .covariance = {.rows = width, .cols = width, .value = Value::kept_sum},
          .feature_sum = {.rows = 1, .cols = width, .value = Value::kept_sum},
          .gradient_covariance = {.rows = d, .cols = d, .value = Value::kept_sum}};
}

CalibrateSizes calibrate_sizes(const ModelConfig& config, const TokenCounts& tokens) {
  const std::int64_t d = config.hidden_size;
  std::int64_t sums = 1;
  std::int64_t pairs = 1;
  for (const LayerShape& shape : config.layers) {
    sums = std::max(sums, layer_sum_numbers(shape, d));
    pairs = std::max(pairs, rotary_pairs(shape));
  }
  const auto layers = static_cast<std::int64_t>(config.layers.size());
  return {.boundaries = {.rows = tokens.chunk, .cols = d, .count = 2 * layers + 1},
          .gradient = stream_size(tokens.chunk, d),
          .sums = {.rows = 1, .cols = sums},
          .gradient_after = stream_size(tokens.micro_batch, d),
          .pair_products = {.rows = tokens.micro_batch, .cols = pairs},
          .scaled_features = {.rows = tokens.micro_batch,
                              .cols = widest_features(config),
                              .value = Value::compute},
          .narrow_gradient = {.rows = tokens.micro_batch, .cols = d, .value = Value::compute},
          .row_norms = {.rows = 1, .cols = tokens.micro_batch},
          .losses = {.rows = 1, .cols = tokens.window},
          .hidden_gradient = stream_size(tokens.window, d)};
}

std::int64_t CalibrateSizes::micro_batch_bytes(const ValueBytes& values) const {
  return sum_of(values, gradient_after, pair_products, scaled_features, narrow_gradient, row_norms, losses,
                hidden_gradient);
}

RefitSumSizes refit_sum_sizes(std::int64_t width, std::int64_t hidden_size, std::int64_t micro_batch_tokens) {
  const std::int64_t n = width;
  const std::int64_t d = hidden_size;
  return {.totals = {.rows = 1, .cols = n * n + n * d + n + d + 2, .value = Value::f64},
          .batch_gram = {.rows = n, .cols = n},
          .batch_cross = {.rows = n, .cols = d},
          .batch_sums = {.rows = 1, .cols = n + d},
          .scaled_features = {.rows = micro_batch_tokens, .cols = n, .value = Value::compute},
          .scaled_targets = {.rows = micro_batch_tokens, .cols = d, .value = Value::compute},
          .squared_norms = {.rows = 1, .cols = micro_batch_tokens}};
}

std::int64_t RefitSumSizes::bytes(const ValueBytes& values) const {
  return sum_of(values, totals, batch_gram, batch_cross, batch_sums, scaled_features, scaled_targets,
                squared_norms);
}

EncodeSizes encode_sizes(std::int64_t rank_tokens, std::int64_t micro_batch_tokens, std::int64_t width,
                         std::int64_t hidden_size) {
  return {.streams = {.rows = rank_tokens, .cols = hidden_size, .count = 2},
          .features = {.rows = rank_tokens, .cols = width, .value = Value::compute},
          .targets = stream_size(micro_batch_tokens, hidden_size),
          .weights_root = {.rows = 1, .cols = micro_batch_tokens},
          .error = stream_size(micro_batch_tokens, hidden_size),
          .narrow_error = {.rows = micro_batch_tokens, .cols = hidden_size, .value = Value::compute},
          .error_gram = {.rows = hidden_size, .cols = hidden_size}};
}

std::int64_t EncodeSizes::micro_batch_bytes(const ValueBytes& values) const {
  return sum_of(values, targets, weights_root, error, narrow_error, error_gram);
}

RefineSizes refine_sizes(std::int64_t micro_batch_tokens, std::int64_t width, std::int64_t hidden_size) {
  return {.after = stream_size(micro_batch_tokens, hidden_size),
          .gradient = stream_size(micro_batch_tokens, hidden_size),
          .losses = {.rows = 1, .cols = micro_batch_tokens},
          .features = {.rows = micro_batch_tokens, .cols = width, .value = Value::compute}};
}

std::int64_t RefineSizes::bytes(const ValueBytes& values) const {
  return sum_of(values, after, gradient, losses, features);
}

TrainingSizes training_sizes(const ModelConfig& config, std::int64_t step_tokens,
                             std::int64_t micro_batch_tokens, bool recovers) {
  const std::int64_t d = config.hidden_size;
  const auto layers = static_cast<std::int64_t>(config.layers.size());
  return {
      .boundaries = {.rows = step_tokens, .cols = d, .count = layers + 1},
      .recovery = {.rows = step_tokens, .cols = d, .value = Value::compute, .count = recovers ? layers : 0},
      .gradient = stream_size(step_tokens, d),
      .losses = {.rows = 1, .cols = micro_batch_tokens}};
}

std::int64_t widest_features(const ModelConfig& config) {
  std::int64_t widest = 1;
  for (const LayerShape& shape : config.layers) {
    widest = std::max({widest, head_output_width(shape), ffn_width(shape)});
  }
  return widest;
}

}  // namespace cce::cost
