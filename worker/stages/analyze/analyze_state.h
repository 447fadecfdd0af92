#pragma once
#include "common/job/stage_inputs.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/analyze/analyze.h"

namespace cce {

/// Publishes the state "analyze", rank 0's. Which of the expensive measurements were asked for decides it
/// (full spectra for a threshold, drop costs), no amount, ε or τ.
/// Collective. Errors: disk_full, io_failure, job_locked.
void save_analysis(StageContext& context, const ModelAnalysis& analysis, const StageInputs& inputs);
/// Collective.
bool has_analysis(const StageContext& context, const StageInputs& inputs);
/// To the same bits. Precondition: has_analysis. Errors: missing_file, malformed_file.
ModelAnalysis load_analysis(const StageContext& context, const StageInputs& inputs);

}  // namespace cce
