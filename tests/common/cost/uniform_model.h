#pragma once
#include "common/model/model_config.h"

namespace cce {

/// A model whose layers are alike, embeddings tied.
struct UniformModel {
  std::int64_t layers, hidden, ffn;
  std::int64_t vocabulary = 1000;
  std::int64_t kv_groups = 3, queries_per_group = 3, head_dim = 64;

  ModelConfig config() const {
    ModelConfig config;
    config.hidden_size = hidden;
    config.vocabulary_size = vocabulary;
    config.head_dim = head_dim;
    config.tied_embeddings = true;
    LayerShape shape;
    shape.kv_groups = kv_groups;
    shape.queries_per_group = queries_per_group;
    shape.qk_dim = shape.vo_dim = head_dim;
    shape.ffn_width = ffn;
    config.layers.assign(static_cast<std::size_t>(layers), shape);
    return config;
  }
};

}  // namespace cce
