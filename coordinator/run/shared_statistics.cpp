#include "coordinator/run/shared_statistics.h"

#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/nearest_name.h"
#include "common/job/job_dir.h"
#include "common/job/stage_inputs.h"
#include "coordinator/system/tree_copy.h"

namespace cce {
namespace {

/// "calibrate", or a part of it, "calibrate.layer-007"; not what a crash left of publishing one.
bool is_state_of(const std::string& name, const std::string& stage) {
  const bool unfinished = name.ends_with(".tmp") || name.ends_with(".old");
  return !unfinished && (name == stage || name.starts_with(stage + "."));
}

}  // namespace

void check_statistics(FileSystem& files, const JobSpec& spec, const Partition& partition) {
  const std::string where = "from " + spec.from;
  const JobDir source = JobDir::open(files, spec.from);
  const std::optional<StageInputs> recorded =
      source.inputs_of_state(std::string(stage_name(Stage::calibrate)));
  if (!recorded) {
    throw Error{.code = ErrorCode::missing_file,
                .where = where,
                .found = "a job that keeps no statistics",
                .expected = "one that was run with calibration.keep_statistics",
                .remedy = "Run that job anew with --keep-statistics"};
  }
  const std::vector<std::string> names = recorded->differences(known_calibrate_inputs(spec, partition));
  if (!names.empty()) {
    throw Error{
        .code = ErrorCode::impossible_combination,
        .where = where,
        .found = "other " + join_names(names),
        .expected = "statistics of the same model, texts, seed, partition and program",
        .remedy = "Leave --from (`from` in a recipe) out, or take over what that job's recipe has for them"};
  }
}

void share_statistics(FileSystem& files, const JobSpec& spec, const FileSystem::Path& state_root) {
  const JobDir source = JobDir::open(files, spec.from);
  for (const std::string& name : files.list(source.state_root())) {
    for (const Stage stage : {Stage::calibrate, Stage::analyze}) {
      if (is_state_of(name, std::string(stage_name(stage)))) {
        copy_tree(source.state_root() / name, state_root / name);
      }
    }
  }
}

}  // namespace cce
