#pragma once
#include <filesystem>
#include <optional>

#include "common/base/error.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/service/job_progress.h"
#include "coordinator/store/job_state.h"

namespace cce {

struct JobVerdict {
  JobAction action = JobAction::see_failed;
  std::optional<Error> error;
};

/// What the end of a run means for its job:
///   1. the workers say done: completed   2. the scheduler was told to end it (perhaps outside of the
///   service): cancelled, whatever dying ranks said of each other   3. its time is over: failed, even if the
///   workers stopped at a safe point for it   4. the workers say cancelled: cancelled   5. they name an
///   error: failed with it   6. without a last word: cancelled where the service wanted that; else a lost
///   node, memory, or it died, with the end of `log` as what was found
/// `is_cancelling`: the service was asked to cancel. `run` must have ended.
JobVerdict judge_end(const RunState& run, const JobOutcome& outcome, bool is_cancelling,
                     const std::filesystem::path& log);

}  // namespace cce
