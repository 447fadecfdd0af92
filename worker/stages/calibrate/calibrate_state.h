#pragma once
#include <optional>
#include <vector>

#include "common/job/stage_inputs.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/calibrate/calibration_data.h"
#include "worker/stages/calibrate/layer_statistics.h"

namespace cce {

/// What decides the sums, whatever they are used for afterwards: the model, the windows' tokens, seed,
/// lengths and counts, partition, precision and this program.
StageInputs calibrate_inputs(const StageContext& context, const CalibrationData& data);

/// Publishes the state "calibrate": owners their layers' sums, rank 0 the inputs, last. In the dtype of the
/// sums, of symmetric matrices the upper triangle (common/cost/sizes.h: 728 MB in f64 for
/// SmolLM2-135M).
/// Collective. Errors: disk_full, io_failure, job_locked.
void save_statistics(StageContext& context, std::vector<std::optional<LayerStatistics>>& statistics,
                     const StageInputs& inputs);

/// Whether the state is there, whole on this rank, and made from these inputs.
bool has_statistics(const StageContext& context, const StageInputs& inputs);

/// The same sums back, to the bit. Precondition: has_statistics. Errors: missing_file, malformed_file.
std::vector<std::optional<LayerStatistics>> load_statistics(const StageContext& context,
                                                            const StageInputs& inputs);

}  // namespace cce
