#pragma once
#include <cmath>
#include <cstdint>
#include <random>

#include "worker/model/host_layer.h"

namespace cce {

/// A layer of random weights, about 1 / √fan-in each; norm gains about 1. The same seed gives the same layer.
inline HostLayer random_layer(const LayerShape& shape, std::int64_t hidden_size, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  HostLayer layer = make_host_layer(shape, hidden_size);
  for (const TensorRole role : layer_roles()) {
    HostMatrix& matrix = part_view(layer, role);
    const bool is_norm = layer_part(role).kind == PartKind::gain;
    const bool is_matrix = part_size(shape, hidden_size, role).is_matrix;
    const float scale = is_matrix ? 1.0f / std::sqrt(static_cast<float>(matrix.cols)) : 0.3f;
    for (float& value : matrix.values) value = (is_norm ? 1.0f : 0.0f) + scale * normal(engine);
  }
  return layer;
}

inline HostMatrix random_matrix(std::int64_t rows, std::int64_t cols, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  HostMatrix matrix(rows, cols);
  for (float& value : matrix.values) value = normal(engine);
  return matrix;
}

/// A config whose only layers are `shape`, `layers` times; head_dim is the dense head's.
inline ModelConfig tiny_config(const LayerShape& shape, std::int64_t hidden_size, std::int64_t head_dim,
                               std::size_t layers = 1) {
  ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = hidden_size;
  config.vocabulary_size = 16;
  config.max_positions = 128;
  config.head_dim = head_dim;
  config.layers.assign(layers, shape);
  return config;
}

inline LayerShape attention_shape_of(std::int64_t groups, std::int64_t queries, std::int64_t qk_dim,
                                     std::int64_t vo_dim) {
  LayerShape shape;
  shape.has_ffn = false;
  shape.kv_groups = groups;
  shape.queries_per_group = queries;
  shape.qk_dim = qk_dim;
  shape.vo_dim = vo_dim;
  return shape;
}

}  // namespace cce
