#include "coordinator/service/job_verdict.h"

#include <string>

#include "coordinator/system/log_tail.h"

namespace cce {
namespace {

const char* const resume_remedy = "Resume the job: finished work is kept.";

Error run_error(ErrorCode code, std::string found, const RunState& run) {
  if (!run.reason.empty()) {
    found.append(" (").append(run.reason).append(")");
  }
  return Error{
      .code = code, .where = "the run", .found = std::move(found), .expected = "", .remedy = resume_remedy};
}

Error death(const RunState& run, const std::filesystem::path& log) {
  std::string found = "an end without a last word";
  if (run.signal) {
    found = "signal " + std::to_string(*run.signal);
  } else if (run.exit_status.value_or(0) != 0) {
    found = "exit status " + std::to_string(*run.exit_status);
  }
  const std::string lines = log_tail(log);
  if (!lines.empty()) {
    found.append("; the end of its log:").append(lines).append("\n");
  }
  return run_error(ErrorCode::worker_died, found, run);
}

}  // namespace

JobVerdict judge_end(const RunState& run, const JobOutcome& outcome, bool is_cancelling,
                     const std::filesystem::path& log) {
  if (outcome.done) {  // 1.
    return {JobAction::see_completed, std::nullopt};
  }
  if (run.end == RunEnd::cancelled) {  // 2.
    const Error outside = run_error(ErrorCode::cancelled, "cancelled at the scheduler", run);
    return {JobAction::see_cancelled, is_cancelling ? std::nullopt : std::optional(outside)};
  }
  if (run.end == RunEnd::timed_out && !is_cancelling) {  // 3.
    return {JobAction::see_failed,
            run_error(ErrorCode::deadline_exceeded, "resources.time_limit has passed", run)};
  }
  const bool stopped = outcome.cancelled || (outcome.error && outcome.error->code == ErrorCode::cancelled);
  if (stopped) {  // 4.
    return {JobAction::see_cancelled, std::nullopt};
  }
  if (outcome.error) {  // 5.
    return {JobAction::see_failed, outcome.error};
  }
  if (is_cancelling && run.end != RunEnd::vanished) {  // 6.
    return {JobAction::see_cancelled, std::nullopt};
  }
  switch (run.end) {
    case RunEnd::node_failed:
      return {JobAction::see_failed, run_error(ErrorCode::worker_died, "a node was lost", run)};
    case RunEnd::out_of_memory:
      return {JobAction::see_failed, run_error(ErrorCode::does_not_fit, "the node ran out of memory", run)};
    case RunEnd::vanished:
      return {JobAction::see_vanished,
              run_error(ErrorCode::worker_died, "the scheduler knows nothing of it any more", run)};
    case RunEnd::cancelled:
    case RunEnd::timed_out:
    case RunEnd::exited:
    case RunEnd::signalled:
      break;
  }
  return {JobAction::see_failed, death(run, log)};
}

}  // namespace cce
