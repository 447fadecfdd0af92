#pragma once
#include <optional>
#include <vector>

#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// Collects the statistics of every layer on its owner (docs/method.md 3 and 4).
/// In: the dense checkpoint, the gradient sequences. Out: one entry per layer, filled where this rank owns
/// it.
///   1. forward over a chunk of sequences; only the streams before every sub-block are kept
///   2. labels drawn from the model's own softmax, gradient at the last stream
///   3. the reverse sweep recomputes each sub-block, adds its sums, and carries the gradient on
///   4. the layer's sums are reduced to its owner; the chunk is freed
/// Collective. Errors: cancelled, worker_died, does_not_fit.
std::vector<std::optional<LayerStatistics>> calibrate(StageContext& context, const CalibrationData& data);

}  // namespace cce
