#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "worker/model/checkpoint.h"
#include "worker/passes/layer_stream.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// A model to evaluate: its shapes, its layers and what surrounds them. Borrowed.
struct EvaluatedModel {
  const ModelConfig& config;
  LayerSource& layers;
  const EndWeights& ends;
  std::optional<LayerDelivery> delivery = std::nullopt;  ///< of its layers; absent: the context's
};

/// Mean next-token loss of a text in nats, over all windows and over two stretches of positions.
struct TextLosses {
  double mean = 0.0;
  double second_quarter = 0.0;  ///< predictions of positions [S/4, S/2)
  double last_quarter = 0.0;    ///< of [3S/4, S)
  std::int64_t tokens = 0;      ///< predictions, over all windows

  double perplexity() const;
};

/// Runs windows of equal length (the same on every rank, divided among them) through a model.
/// Collective. Errors: cancelled, does_not_fit, worker_died.
TextLosses evaluate_losses(StageContext& context, const EvaluatedModel& model,
                           const std::vector<std::vector<std::int32_t>>& windows);

/// Per layer and query head: the mean over queries at positions ≥ first_variance_query of the variance of its
/// attention row (docs/method.md 3.6). Layers without attention have no entries. Collective.
std::vector<std::vector<double>> evaluate_attention_variance(
    StageContext& context, const EvaluatedModel& model,
    const std::vector<std::vector<std::int32_t>>& windows);

}  // namespace cce
