#include "coordinator/run/run_job.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "coordinator/system/log_tail.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

constexpr double poll_seconds = 0.1;

double seconds_since(SteadyClock::time_point start) {
  return std::chrono::duration<double>(SteadyClock::now() - start).count();
}

std::string resume_command(const JobDir& job) {
  return std::string("Continue with: cce resume ").append(job.root().string());
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
        deadlines_(deadlines) {}

  void run() {
    const std::vector<JobEvent> earlier = read_events(files_, job_.events_path());
    last_seq_ = earlier.empty() ? 0 : earlier.back().seq;
    started_ = SteadyClock::now();
    id_ = scheduler_.submit(launch_);
    try {
      RunState state = scheduler_.state(id_);
      while (!state.ended()) {
        take_signal(signals_.wait(poll_seconds));
        keep_deadlines();
        read_new_events();
        state = scheduler_.state(id_);
      }
      read_new_events();
      judge(state);
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
    if (!cancelling_) {
      request_stop("Stopping at the next safe point (again to stop at once).");
    } else {
      progress_.note("Stopping at once.");
      scheduler_.terminate(id_);
    }
  }

  void request_stop(const std::string& sentence) {
    cancelling_ = true;
    cancel_started_ = SteadyClock::now();
    job_.request_cancel();
    progress_.note(sentence);
  }

  void keep_deadlines() {
    if (!cancelling_ && seconds_since(started_) > deadlines_.run_seconds) {
      out_of_time_ = true;
      request_stop("The time limit has passed: stopping at the next safe point.");
    }
    if (cancelling_ && seconds_since(cancel_started_) > deadlines_.cancel_seconds) {
      progress_.note("No safe point was reached in time: stopping at once.");
      scheduler_.terminate(id_);
    }
  }

  void read_new_events() {
    for (const JobEvent& event : read_events(files_, job_.events_path(), last_seq_)) {
      last_seq_ = event.seq;
      if (event.type == "error" && event.error) {
        error_ = event.error;
      } else if (event.type == "cancelled") {
        cancelled_ = true;
      } else if (event.type == "done" || event.type == "finished") {
        done_ = true;
      }
      progress_.show(event);
    }
  }

  void judge(const RunState& state) const {
    if (done_) {
      return;
    }
    const bool stopped =
        cancelled_ || (error_ && error_->code == ErrorCode::cancelled) || (cancelling_ && !error_);
    if (stopped) {
      throw Error{.code = out_of_time_ ? ErrorCode::deadline_exceeded : ErrorCode::cancelled,
                  .where = job_.root().string(),
                  .found = out_of_time_ ? "the time limit (resources.time_limit) has passed" : "",
                  .expected = "",
                  .remedy = resume_command(job_)};
    }
    if (error_) {
      throw Error(*error_);
    }
    throw Error{.code = ErrorCode::worker_died,
                .where = job_.root().string(),
                .found = how_it_ended(state),
                .expected = "",
                .remedy = resume_command(job_)};
  }

  std::string how_it_ended(const RunState& state) const {
    std::string text = state.signal ? std::string("signal ").append(std::to_string(*state.signal))
                       : *state.exit_status
                           ? std::string("exit status ").append(std::to_string(*state.exit_status))
                           : std::string("an end without a last word");
    const fs::path logs = job_.root() / "logs";
    const fs::path output = logs / ("attempt-" + std::to_string(launch_.attempt) + ".log");
    const std::string lines = log_tail(output);
    if (!lines.empty()) {
      text.append("; the end of ").append(output.string()).append(":").append(lines).append("\n");
    }
    return text;
  }

  JobDir& job_;
  Scheduler& scheduler_;
  const Launch& launch_;
  Progress& progress_;
  SignalInbox& signals_;
  const RunDeadlines& deadlines_;
  PosixFileSystem files_;
  std::string id_;
  SteadyClock::time_point started_, cancel_started_;
  std::int64_t last_seq_ = 0;
  std::optional<Error> error_;
  bool done_ = false, cancelled_ = false, cancelling_ = false, out_of_time_ = false;
};

}  // namespace

void run_job(JobDir& job, Scheduler& scheduler, const Launch& launch, Progress& progress,
             SignalInbox& signals, const RunDeadlines& deadlines) {
  Run(job, scheduler, launch, progress, signals, deadlines).run();
}

}  // namespace cce
