#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "common/job/stage_inputs.h"
#include "worker/passes/stage_context.h"

namespace cce {

/// state/NAME of a whole stage: rank 0 publishes it with the stage's inputs after the parts of all ranks
/// (state/NAME.layer-NNN): where it is, they are.

/// Inputs of a stage that works from what the one before it left: the keys that decide it, the earlier
/// state's fingerprint and this program.
StageInputs following_inputs(const StageContext& context, Stage stage, Stage before,
                             const StageInputs& before_inputs);

/// True where `holds` on every rank. Collective.
bool agree(Communicator& communicator, bool holds);

/// Once every rank has called it, rank 0 lets `fill` write into the new folder and publishes it; no rank
/// returns before. Collective. Errors: disk_full, io_failure, job_locked.
void publish_stage(StageContext& context, const std::string& name, const StageInputs& inputs,
                   const std::function<void(const std::filesystem::path& folder)>& fill);

/// Whether every rank finds the state and its own layers' parts, made from these inputs. Collective.
bool has_stage(const StageContext& context, const std::string& name, const StageInputs& inputs);

/// The folder of a state that has_stage found. Errors: missing_file.
std::filesystem::path state_folder(const StageContext& context, const std::string& name,
                                   const StageInputs& inputs);

}  // namespace cce
