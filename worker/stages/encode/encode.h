#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/compression_plan.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"
#include "worker/stages/plan/starting_layer.h"

namespace cce {

/// What encode works from.
struct EncodeInput {
  const CalibrationData& data;
  const ModelConfig& compressed;                      ///< shapes after the plan, refit biases included
  std::vector<std::optional<StartingLayer>>& layers;  ///< filled where this rank owns the layer
  std::string fingerprint;                            ///< of everything that decides the result
};

/// Refits every sub-block's outputs in order, the compressed and the dense stream side by side
/// (docs/method.md 3.4). In: starting layers. Out: the plan's measured nats; every encoded layer in
/// state/encode.layer-NNN, f32. Sweep carries the dense layers past the dense stream; the compressed layer is
/// made here, a sub-block behind. Per sub-block:
///   1. features of the compressed layer on the compressed stream, dense stream moved on, sums of the refit
///   2. sums to the owner, which chooses λ on held-out sequences, solves, and broadcasts the new outputs;
///      where encode.refine_steps asks for it, the whole sub-block is refined (refine.h)
///   3. compressed stream moved on; what error is left, in nats
/// Last, the factor of the final norm's gain is chosen (output_scale.h) and published as state
/// encode.output-scale. Layers found in state/ are not computed again: the streams are rebuilt by one
/// forward. Collective. Errors: not_positive_definite, cancelled, worker_died, disk_full, does_not_fit.
void encode(StageContext& context, const EncodeInput& input, CompressionPlan& plan);

}  // namespace cce
