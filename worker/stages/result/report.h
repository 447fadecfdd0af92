#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/job/job_event.h"
#include "common/model/compression_plan.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/analyze/analyze.h"
#include "worker/stages/evaluate/evaluate.h"
#include "worker/stages/finetune/progress.h"

namespace cce {

/// What a run found out, by the stages that it had.
struct RunResults {
  std::optional<ModelAnalysis> analysis;
  std::optional<CompressionPlan> plan;
  std::optional<ModelConfig> compressed;
  std::optional<Evaluation> evaluation;
  std::optional<FinetuneProgress> finetuning;
  std::int64_t exported_bytes = 0;
};

/// report.json of docs/formats.md, schema_version 1. `events`: of all attempts, for stages and warnings.
std::string report_json(const StageContext& context, const RunResults& results,
                        const std::vector<JobEvent>& events);

}  // namespace cce
