#pragma once
#include <optional>
#include <string>
#include <vector>

#include "common/model/compression_plan.h"
#include "worker/passes/stage_context.h"
#include "worker/stages/analyze/analyze.h"
#include "worker/stages/plan/starting_layer.h"

namespace cce {

/// What is known when encode starts: the state that calibrate, analyze and make_plan leave behind.
struct PreparedJob {
  ModelAnalysis analysis;
  CompressionPlan plan;
  ModelConfig compressed;                            ///< shapes, refit biases included
  std::vector<std::optional<StartingLayer>> layers;  ///< this rank's
};

/// A digest of everything that decides the compressed weights: model, recipe (less output, export's dtype,
/// evaluation and guard), partition.
std::string encode_fingerprint(const StageContext& context);

/// Publishes the job's state "make_plan": owners their starting layers, rank 0 plan and analysis, last.
/// Collective. Errors: disk_full, io_failure.
void save_prepared_job(StageContext& context, const PreparedJob& job, const std::string& fingerprint);

/// The same back; nothing where the state is not there or was made from other inputs.
/// with_layers: starting layers too (export needs none). Errors: malformed_file.
std::optional<PreparedJob> load_prepared_job(const StageContext& context, const std::string& fingerprint,
                                             bool with_layers);

}  // namespace cce
