#include "coordinator/run/run_job.h"

#include <chrono>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/job/rank_errors.h"
#include "coordinator/run/event_reader.h"
#include "coordinator/run/job_run.h"

namespace cce {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr double poll_seconds = 0.1;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

RunWords words_of(const JobDir& job) {
  const std::string root = job.root().string();
  return {.where = root, .remedy = "Continue with 'cce resume " + root + "'."};
}

class Run {
 public:
  Run(JobDir& job, Scheduler& scheduler, const Launch& launch, Progress& progress, SignalInbox& signals,
      const RunDeadlines& deadlines)
      : job_(job),
        scheduler_(scheduler),
        launch_(launch),
        progress_(progress),
        signals_(signals),
        deadlines_(deadlines),
        words_(words_of(job)),
        events_(job.events_path()),
        run_(attempt_log_path(job.root(), launch.attempt), words_,
             [root = job.root(), attempt = launch.attempt] {
               return find_rank_error(PosixFileSystem(), root, attempt);
             }) {}

  void run() {
    while (!events_.read_new().empty()) {  // of earlier attempts
    }
    started_ = SteadyClock::now();
    id_ = scheduler_.submit(launch_);
    try {
      while (!is_over()) {
        take_signal(signals_.wait(poll_seconds));
        keep_deadlines();
      }
    } catch (...) {
      if (!scheduler_.state(id_).ended()) {
        scheduler_.terminate(id_);
      }
      throw;
    }
  }

 private:
  void take_signal(int number) {
    if (number == 0) {
      return;
    }
    if (stop_ == StopRequest::none) {
      request_stop(StopRequest::by_user, "Stopping at the next safe point (again to stop at once).");
    } else {
      progress_.note("Stopping at once.");
      scheduler_.terminate(id_);
    }
  }

  void request_stop(StopRequest reason, const std::string& sentence) {
    stop_ = reason;
    stop_started_ = SteadyClock::now();
    job_.request_cancel();
    progress_.note(sentence);
  }

  void keep_deadlines() {
    if (stop_ == StopRequest::none && seconds_since(started_) > deadlines_.run_seconds) {
      request_stop(StopRequest::out_of_time, "The time limit has passed: stopping at the next safe point.");
    }
    if (stop_ != StopRequest::none && seconds_since(stop_started_) > deadlines_.cancel_seconds) {
      progress_.note("No safe point was reached in time: stopping at once.");
      scheduler_.terminate(id_);
    }
  }

  /// A damaged file does not keep the run's end from being seen.
  void read_new_events() {
    try {
      for (auto lines = events_.read_new(); !lines.empty(); lines = events_.read_new()) {
        for (const EventReader::Line& line : lines) {
          last_word_.take(line.event);
          progress_.show(line.event);
        }
      }
    } catch (const Error& error) {
      run_.events_unreadable(error);
    }
  }

  /// Whether the run has ended well; throws where it has ended otherwise.
  bool is_over() {
    const RunState state = scheduler_.state(id_);
    read_new_events();  // all that was written before the run was seen to have ended
    if (!state.ended()) {
      return false;
    }
    const std::optional<RunVerdict> verdict =
        run_.judge(state, last_word_, stop_, seconds_since(SteadyClock::time_point()));
    if (!verdict) {
      return false;
    }
    if (verdict->error) {
      throw Error(*verdict->error);
    }
    if (verdict->result == RunResult::cancelled) {
      throw Error{.code = ErrorCode::cancelled, .where = words_.where, .remedy = words_.remedy};
    }
    return true;
  }

  JobDir& job_;
  Scheduler& scheduler_;
  const Launch& launch_;
  Progress& progress_;
  SignalInbox& signals_;
  const RunDeadlines& deadlines_;
  const RunWords words_;
  EventReader events_;
  JobRun run_;
  LastWord last_word_;
  StopRequest stop_ = StopRequest::none;
  std::string id_;
  SteadyClock::time_point started_, stop_started_;
};

}  // namespace

void run_job(JobDir& job, Scheduler& scheduler, const Launch& launch, Progress& progress,
             SignalInbox& signals, const RunDeadlines& deadlines) {
  Run(job, scheduler, launch, progress, signals, deadlines).run();
}

}  // namespace cce
