#include "coordinator/run/job_run.h"

#include "common/job/rank_errors.h"
#include "coordinator/system/log_tail.h"

namespace cce {
namespace {

constexpr double late_events_seconds = 5.0;

}  // namespace

void LastWord::take(const JobEvent& event) {
  switch (event.kind) {
    case EventKind::started:
      *this = {};
      break;
    case EventKind::done:
      done = true;
      break;
    case EventKind::cancelled:
      cancelled = true;
      break;
    case EventKind::error:
      error = event.error;
      break;
    default:
      break;
  }
}

std::optional<RunVerdict> JobRun::judge(const RunState& run, const LastWord& last_word, StopRequest stop,
                                        double now) {
  if (!last_word.spoken() && run.exit_status == 0) {
    silent_since_ = silent_since_.value_or(now);
    if (now - *silent_since_ < late_events_seconds) {
      return std::nullopt;
    }
  }
  RunVerdict result = verdict(run, last_word, stop);
  if (result.result == RunResult::failed && !last_word.error && events_error_) {
    result.error = events_error_;
  }
  return result;
}

RunVerdict JobRun::verdict(const RunState& run, const LastWord& last_word, StopRequest stop) const {
  if (last_word.done) {  // 1.
    return {RunResult::completed, std::nullopt};
  }
  const bool timed_out = run.end == RunEnd::timed_out && stop != StopRequest::by_user;
  if (timed_out || stop == StopRequest::out_of_time) {  // 2.
    return {RunResult::failed,
            error(ErrorCode::deadline_exceeded, "the time limit (resources.time_limit) has passed", run)};
  }
  const bool by_user = stop == StopRequest::by_user;
  if (run.end == RunEnd::cancelled) {  // 3.
    return {RunResult::cancelled,
            by_user ? std::nullopt
                    : std::optional(error(ErrorCode::cancelled, "cancelled at the scheduler", run))};
  }
  if (last_word.cancelled || (last_word.error && last_word.error->code == ErrorCode::cancelled)) {  // 4.
    return {RunResult::cancelled, std::nullopt};
  }
  const std::optional<Error> named = named_error(last_word);
  if (named && named->code == ErrorCode::cancelled) {
    return {RunResult::cancelled, std::nullopt};
  }
  if (named && !(by_user && !last_word.error)) {  // 5.
    return {RunResult::failed, named};
  }
  if (by_user && run.end != RunEnd::vanished) {  // 6.
    return {RunResult::cancelled, std::nullopt};
  }
  return silent_end(run);
}

std::optional<Error> JobRun::named_error(const LastWord& last_word) const {
  if (last_word.error && !follows_from_another(*last_word.error)) {
    return last_word.error;
  }
  const std::optional<Error> written = rank_error_ ? rank_error_() : std::nullopt;
  return written && !follows_from_another(*written) ? written : last_word.error;
}

RunVerdict JobRun::silent_end(const RunState& run) const {
  if (run.end == RunEnd::node_failed) {
    return {RunResult::failed, error(ErrorCode::worker_died, "a node was lost", run)};
  }
  if (run.end == RunEnd::out_of_memory) {
    return {RunResult::failed, error(ErrorCode::does_not_fit, "the node ran out of memory", run)};
  }
  if (run.end == RunEnd::vanished) {
    return {RunResult::vanished,
            error(ErrorCode::worker_died, "the scheduler knows nothing of it any more", run)};
  }
  std::string found = "an end without a last word";
  if (run.signal) {
    found = "signal " + std::to_string(*run.signal);
  } else if (run.exit_status.value_or(0) != 0) {
    found = "exit status " + std::to_string(*run.exit_status);
  }
  Error death = error(ErrorCode::worker_died, std::move(found), run);
  const std::string lines = log_tail(log_);
  if (!lines.empty()) {
    death.found.append("; the end of its log:").append(lines).append("\n");
  }
  return {RunResult::failed, std::move(death)};
}

Error JobRun::error(ErrorCode code, std::string found, const RunState& run) const {
  if (!run.reason.empty()) {
    found.append(" (").append(run.reason).append(")");
  }
  return Error{.code = code, .where = words_.where, .found = std::move(found), .remedy = words_.remedy};
}

}  // namespace cce
