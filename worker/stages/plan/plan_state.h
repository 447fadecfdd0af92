#pragma once
#include <optional>
#include <vector>

#include "common/job/stage_inputs.h"
#include "common/model/compression_plan.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/plan/starting_layer.h"

namespace cce {

/// What make_plan leaves to encode.
struct PlannedModel {
  CompressionPlan plan;
  ModelConfig compressed;                            ///< shapes, refit biases included
  std::vector<std::optional<StartingLayer>> layers;  ///< this rank's; none where only the plan was loaded
};

/// Publishes the state "make_plan": owners their starting layers, rank 0 the plan, last.
/// Collective. Errors: disk_full, io_failure, job_locked.
void save_plan(StageContext& context, const PlannedModel& planned, const StageInputs& inputs);
/// Collective.
bool has_plan(const StageContext& context, const StageInputs& inputs);
/// The same back. with_layers: this rank's starting layers too, which only encode needs.
/// Precondition: has_plan. Errors: missing_file, malformed_file.
PlannedModel load_plan(const StageContext& context, const StageInputs& inputs, bool with_layers);

}  // namespace cce
