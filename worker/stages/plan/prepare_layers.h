#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/layer_statistics.h"
#include "worker/stages/plan/starting_layer.h"

namespace cce {

/// The V/O directions that analyze found for a layer of this rank.
using SpectraOf = std::function<std::vector<HeadSpectrum>(std::int64_t layer)>;

/// This rank's layers as encode starts from them: the plan applied, outputs redistributed as far as the dense
/// statistics tell, and S_g after each sub-block for the measured nats. spectra_of is asked for layers whose
/// values are narrowed. Not collective. Errors: not_positive_definite, those of spectra_of.
std::vector<std::optional<StartingLayer>> prepare_layers(
    StageContext& context, const std::vector<std::optional<LayerStatistics>>& statistics, double tokens,
    const SpectraOf& spectra_of, const CompressionPlan& plan, const ModelConfig& compressed);

}  // namespace cce
