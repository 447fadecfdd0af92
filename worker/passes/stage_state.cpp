#include "worker/passes/stage_state.h"

#include <array>
#include <span>

#include "worker/passes/layer_store.h"

namespace cce {

StageInputs following_inputs(const StageContext& context, Stage stage, Stage before,
                             const StageInputs& before_inputs) {
  StageInputs inputs = deciding_keys(context.spec, stage);
  inputs.set(std::string(stage_name(before)), before_inputs.fingerprint());
  inputs.set("build", context.build);
  return inputs;
}

bool agree(Communicator& communicator, bool holds) {
  std::array<double, 1> missing{holds ? 0.0 : 1.0};
  communicator.all_reduce_sum(std::span<double>(missing));
  return missing[0] == 0.0;
}

void publish_stage(StageContext& context, const std::string& name, const StageInputs& inputs,
                   const std::function<void(const std::filesystem::path& folder)>& fill) {
  context.communicator.barrier();
  if (context.rank() == 0) {
    fill(context.job.begin_state(name));
    context.job.publish_state(name, inputs);
  }
  context.communicator.barrier();
}

bool has_stage(const StageContext& context, const std::string& name, const StageInputs& inputs) {
  const std::string fingerprint = inputs.fingerprint();
  bool found = context.job.find_state(name, fingerprint).has_value();
  for (std::int64_t layer = 0; layer < context.layers(); ++layer) {
    found = found && (!context.owns(layer) ||
                      context.job.find_state(layer_state_name(name, layer), fingerprint).has_value());
  }
  return agree(context.communicator, found);
}

std::filesystem::path state_folder(const StageContext& context, const std::string& name,
                                   const StageInputs& inputs) {
  const auto folder = context.job.find_state(name, inputs.fingerprint());
  if (!folder) {
    throw Error{.code = ErrorCode::missing_file,
                .where = (context.job.state_root() / name).string(),
                .found = "nothing of this job",
                .expected = "what an earlier stage left there",
                .remedy = "Delete the job's state folder and resume"};
  }
  return *folder;
}

}  // namespace cce
