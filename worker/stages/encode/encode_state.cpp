#include "worker/stages/encode/encode_state.h"

#include "worker/passes/stage_state.h"

namespace cce {
namespace {

constexpr const char* state_name = "encode";
constexpr const char* plan_file = "plan.json";

}  // namespace

void save_encoded(StageContext& context, const CompressionPlan& plan, const StageInputs& inputs) {
  publish_stage(context, state_name, inputs, [&](const std::filesystem::path& folder) {
    context.files.write_atomic(folder / plan_file, to_json(plan));
  });
}

bool has_encoded(const StageContext& context, const StageInputs& inputs) {
  return has_stage(context, state_name, inputs);
}

CompressionPlan load_encoded_plan(const StageContext& context, const StageInputs& inputs) {
  const auto path = state_folder(context, state_name, inputs) / plan_file;
  return parse_compression_plan(context.files.read_text(path), path.string());
}

}  // namespace cce
