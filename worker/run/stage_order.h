#pragma once
#include <span>
#include <vector>

#include "common/recipe/job_spec.h"

namespace cce {

/// What a run does about one stage.
enum class StageAction {
  skip,  ///< nothing that follows needs it
  load,  ///< its state of an earlier run serves
  run
};

/// One stage of a job, in the job's order.
struct StageEntry {
  Stage stage;
  std::vector<Stage> needs;  ///< earlier stages whose products it works from
  bool is_result = false;    ///< its product is wanted even where no other stage needs it
  bool has_state = false;
};

/// What to do about each, so that a run goes on at the first stage whose state is missing: from the last to
/// the first, a stage that is a result or that a stage which runs needs is loaded where it has a state, else
/// run. Needs that are not in the job are not met here. Pure.
std::vector<StageAction> choose_actions(std::span<const StageEntry> entries);

}  // namespace cce
