#pragma once
#include <filesystem>
#include <optional>

#include "common/error.h"
#include "coordinator/job_progress.h"
#include "coordinator/job_state.h"
#include "coordinator/scheduler.h"

namespace cce {

struct JobVerdict {
  JobAction action = JobAction::see_failed;
  std::optional<Error> error;
};

/// What the end of a run means for its job. The workers' own last word goes before the scheduler's:
///   1. done: completed   2. cancelled: cancelled   3. an error: failed with it
///   4. without one: ended by a cancel (inside or outside of the service), time limit, a lost node, memory,
///   or it
///      died, with the end of `log` as what was found
/// `is_cancelling`: the service was asked to cancel. `run` must have ended.
JobVerdict judge_end(const RunState& run, const JobOutcome& outcome, bool is_cancelling,
                     const std::filesystem::path& log);

}  // namespace cce
