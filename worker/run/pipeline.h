#pragma once
#include "worker/passes/stage_context.h"

namespace cce {

/// Runs the job's stages in order (JobSpec::stages, a subset of calibrate, analyze, make_plan, encode,
/// finetune, evaluate, export_result) and publishes result/. State of an earlier attempt with the same
/// fingerprint is used instead of computing it again. Collective. Errors: those of the stages.
void run_pipeline(StageContext& context);

}  // namespace cce
