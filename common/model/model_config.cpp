#include "common/model/model_config.h"

#include <algorithm>

#include "common/model/layer_parts.h"

namespace cce {

std::int64_t block_parameters(const ModelConfig& config) {
  std::int64_t parameters = 0;
  for (const LayerShape& layer : config.layers) {
    parameters += layer_parameters(layer, config.hidden_size);
  }
  return parameters;
}

std::int64_t total_parameters(const ModelConfig& config) {
  const std::int64_t embedding = config.vocabulary_size * config.hidden_size;
  return block_parameters(config) + (config.tied_embeddings ? embedding : 2 * embedding);
}

namespace {

/// Keys that a query sees, averaged over the positions of one sequence: position t sees min(t + 1, window).
double mean_visible_keys(std::int64_t length, std::int64_t window) {
  const auto full = static_cast<double>(std::min(length, window));
  const double growing = full * (full + 1.0) / 2.0;
  return (growing + (static_cast<double>(length) - full) * full) / static_cast<double>(length);
}

}  // namespace

double flops_per_token(const ModelConfig& config, std::int64_t length) {
  double multiply_adds =
      static_cast<double>(config.vocabulary_size) * static_cast<double>(config.hidden_size);
  for (const LayerShape& layer : config.layers) {
    multiply_adds += static_cast<double>(matrix_parameters(layer, config.hidden_size));
    if (layer.has_attention) {
      const double keys = mean_visible_keys(length, layer.window.value_or(length));
      multiply_adds += keys * static_cast<double>(layer.query_heads() * (layer.qk_dim + layer.vo_dim));
    }
  }
  return 2.0 * multiply_adds;
}

}  // namespace cce
