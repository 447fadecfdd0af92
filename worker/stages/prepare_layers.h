#pragma once
#include <optional>
#include <vector>

#include "worker/stages/encode.h"
#include "worker/stages/layer_statistics.h"
#include "worker/stages/stage_context.h"

namespace cce {

/// This rank's layers as encode starts from them: the plan applied, outputs redistributed as far as the dense
/// statistics tell, and S_g after each sub-block for the measured nats. Not collective.
/// Errors: not_positive_definite.
std::vector<std::optional<StartingLayer>> prepare_layers(
    StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics, double tokens,
    const CompressionPlan& plan, const ModelConfig& compressed);

}  // namespace cce
