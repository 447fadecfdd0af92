#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/compression_plan.h"
#include "common/job_event.h"
#include "worker/stages/analyze.h"
#include "worker/stages/evaluate.h"
#include "worker/stages/finetune_progress.h"
#include "worker/stages/stage_context.h"

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

/// report.json of design section 5, schema_version 1. `events`: of all attempts, for stages and warnings.
std::string report_json(const StageContext& context, const RunResults& results,
                        const std::vector<JobEvent>& events);

/// ModelAnalysis as JSON text and back, to the same bits. Errors: malformed_file.
std::string to_json(const ModelAnalysis& analysis);
ModelAnalysis parse_model_analysis(const std::string& json_text, const std::string& where);

}  // namespace cce
