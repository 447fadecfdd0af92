#pragma once
#include <optional>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/layer_statistics.h"
#include "worker/stages/plan/starting_layer.h"

namespace cce {

/// This rank's layers as encode starts from them: the plan applied, outputs redistributed as far as the dense
/// statistics tell, and S_g after each sub-block for the measured nats. Not collective.
/// Errors: not_positive_definite.
std::vector<std::optional<StartingLayer>> prepare_layers(
    StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics, double tokens,
    const CompressionPlan& plan, const ModelConfig& compressed);

}  // namespace cce
