#pragma once
#include <cstdint>
#include <numeric>
#include <vector>

#include "worker/stages/analyze/analyze.h"

namespace cce {

/// Removing unit i costs price · (i + 1): convex, the units in their own order.
inline EliminationCurve rising_curve(std::int64_t units, double price) {
  EliminationCurve curve;
  curve.units = units;
  curve.order.resize(static_cast<std::size_t>(units));
  std::iota(curve.order.begin(), curve.order.end(), 0);
  double sum = 0.0;
  for (std::int64_t i = 0; i < units; ++i) {
    sum += price * static_cast<double>(i + 1);
    curve.cost.push_back(sum);
  }
  return curve;
}

/// Spectra of which any threshold between 0 and 1 keeps `kept` components.
inline SubBlockSpectra spectra_that_keep(std::int64_t kept, std::int64_t components) {
  SubBlockSpectra spectra;
  spectra.eigenvalues.assign(static_cast<std::size_t>(components), 0.0);
  std::fill_n(spectra.eigenvalues.begin(), kept, 1.0);
  spectra.singular = {1.0};
  return spectra;
}

/// A layer all of whose costs are in proportion to `price`.
inline LayerAnalysis priced_layer(const LayerShape& shape, double price) {
  LayerAnalysis analysis;
  analysis.ffn = rising_curve(shape.ffn_width, price);
  for (std::int64_t kept = 0; kept <= shape.vo_dim; ++kept) {
    const auto gone = static_cast<double>(shape.vo_dim - kept);
    analysis.vo_cost.push_back(10.0 * price * gone * gone);
  }
  for (std::int64_t group = 0; group < shape.kv_groups; ++group) {
    analysis.rope_pairs.push_back(rising_curve(shape.qk_dim / 2, 20.0 * price));
  }
  analysis.kv_groups = rising_curve(shape.kv_groups, 3000.0 * price);
  analysis.ffn_spectra = spectra_that_keep(shape.ffn_width, shape.ffn_width);
  const std::int64_t features = shape.query_heads() * shape.vo_dim;
  analysis.attention_spectra = spectra_that_keep(features, features);
  return analysis;
}

/// Layers of one shape: d 64, 4 heads of 16 over 2 groups, FFN 96.
inline ModelConfig planned_model(std::size_t layers) {
  LayerShape shape;
  shape.kv_groups = 2;
  shape.queries_per_group = 2;
  shape.qk_dim = 16;
  shape.vo_dim = 16;
  shape.ffn_width = 96;
  ModelConfig config;
  config.architecture = "LlamaForCausalLM";
  config.hidden_size = 64;
  config.vocabulary_size = 128;
  config.max_positions = 512;
  config.head_dim = 16;
  config.layers.assign(layers, shape);
  return config;
}

inline ModelAnalysis priced_model(const ModelConfig& config, const std::vector<double>& prices) {
  ModelAnalysis analysis;
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    analysis.layers.push_back(priced_layer(config.layers[layer], prices[layer]));
  }
  for (KindSimilarity* kind : {&analysis.ffn, &analysis.attention}) {
    kind->matrix.assign(prices.size() * prices.size(), 1.0);
    kind->cost_factor.assign(prices.size(), 1.0);
    for (std::size_t layer = 0; layer < prices.size(); ++layer) {
      kind->clusters.push_back({static_cast<std::int32_t>(layer)});
    }
  }
  return analysis;
}

}  // namespace cce
