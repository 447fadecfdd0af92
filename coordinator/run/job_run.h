#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/base/error.h"
#include "common/job/job_event.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// What the workers of an attempt have said of its end.
struct LastWord {
  bool done = false;
  bool cancelled = false;
  std::optional<Error> error;

  bool spoken() const { return done || cancelled || error.has_value(); }
  /// Takes one event, in order of seq. `started` (of a new attempt, or of the same one after a requeue) begins
  /// afresh.
  void take(const JobEvent& event);
};

/// Why an attempt was asked to stop at a safe point.
enum class StopRequest { none, by_user, out_of_time };

enum class RunResult { completed, failed, cancelled, vanished };

struct RunVerdict {
  RunResult result = RunResult::failed;
  std::optional<Error> error;  ///< failed and vanished always have one, completed never
};

/// How a run is called in errors, and what is to be done after one.
struct RunWords {
  std::string where, remedy;
};

/// Judges how an attempt at a job ended: from what its workers said, what the scheduler saw, and what was asked of
/// it. One for each attempt; not thread-safe.
class JobRun {
 public:
  /// What the ranks of the attempt wrote down as they ended, each for itself (common/job/rank_errors.h).
  using RankError = std::function<std::optional<Error>()>;

  /// `log`: what the workers printed, whose end is quoted where they died.
  JobRun(std::filesystem::path log, RunWords words, RankError rank_error = {})
      : log_(std::move(log)), words_(std::move(words)), rank_error_(std::move(rank_error)) {}

  /// The events file cannot be read on: the error of a run that otherwise ends without one.
  void events_unreadable(const Error& error) { events_error_ = error; }

  /// The verdict on a run that has ended, or nothing while a last word may still come: a network file system may
  /// show a file's end late, so that a launcher that ended well and workers that said nothing are waited for.
  /// `now`: seconds, of any clock that does not jump.
  ///   1. the workers say done: completed
  ///   2. out of time, by the scheduler's limit or ours: failed, whatever the workers said when they were stopped
  ///   3. the scheduler was told to end it: cancelled, whatever dying ranks said of each other
  ///   4. the workers say cancelled: cancelled
  ///   5. they name an error: failed with it; where rank 0 said none, or only that others were gone, with the one
  ///      that another rank wrote down
  ///   6. no last word: cancelled where a user wanted that; else a lost node, memory, or it died, with the end of
  ///      the log as what was found
  /// A run that was cancelled has an error only where no user asked for it here.
  std::optional<RunVerdict> judge(const RunState& run, const LastWord& last_word, StopRequest stop,
                                  double now);

 private:
  RunVerdict verdict(const RunState& run, const LastWord& last_word, StopRequest stop) const;
  RunVerdict silent_end(const RunState& run) const;
  std::optional<Error> named_error(const LastWord& last_word) const;
  Error error(ErrorCode code, std::string found, const RunState& run) const;

  std::filesystem::path log_;
  RunWords words_;
  RankError rank_error_;
  std::optional<Error> events_error_;
  std::optional<double> silent_since_;
};

}  // namespace cce
