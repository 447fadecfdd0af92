#pragma once
#include "worker/passes/stage_context.h"

namespace cce {

/// Runs the job's stages in order (JobSpec::stages: of calibrate, analyze, make_plan, encode, finetune,
/// evaluate and export) and publishes result/. A stage whose state was made from the same inputs is not run
/// again: the run goes on at the first stage whose state is missing. A job that starts from another's
/// statistics (JobDir::origin) never computes its own. Collective. Errors: those of the stages;
/// impossible_combination, naming the inputs that differ from those of the other job's statistics.
void run_pipeline(StageContext& context);

}  // namespace cce
