#include "worker/stages/analyze/analyze_state.h"

#include "worker/passes/stage_state.h"

namespace cce {
namespace {

constexpr const char* state_name = "analyze";
constexpr const char* analysis_file = "analysis.json";

}  // namespace

void save_analysis(StageContext& context, const ModelAnalysis& analysis, const StageInputs& inputs) {
  publish_stage(context, state_name, inputs, [&](const std::filesystem::path& folder) {
    context.files.write_atomic(folder / analysis_file, to_json(analysis));
  });
}

bool has_analysis(const StageContext& context, const StageInputs& inputs) {
  return has_stage(context, state_name, inputs, StageParts::none);
}

ModelAnalysis load_analysis(const StageContext& context, const StageInputs& inputs) {
  const auto path = state_folder(context, state_name, inputs) / analysis_file;
  return parse_model_analysis(context.files.read_text(path), path.string());
}

}  // namespace cce
