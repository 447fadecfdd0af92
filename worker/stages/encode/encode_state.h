#pragma once
#include "common/job/stage_inputs.h"
#include "common/model/compression_plan.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// Publishes the state "encode", rank 0's, when every layer is encoded: the plan with its measured nats. The
/// layers are states of their own (encode.h). Collective. Errors: disk_full, io_failure, job_locked.
void save_encoded(StageContext& context, const CompressionPlan& plan, const StageInputs& inputs);
/// Collective.
bool has_encoded(const StageContext& context, const StageInputs& inputs);
/// The plan with its measured nats. Precondition: has_encoded. Errors: missing_file, malformed_file.
CompressionPlan load_encoded_plan(const StageContext& context, const StageInputs& inputs);

}  // namespace cce
