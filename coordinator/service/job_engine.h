#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "common/job/job_dir.h"
#include "coordinator/run/job_launch.h"
#include "coordinator/run/job_run.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/service/job_metrics.h"
#include "coordinator/service/job_table.h"
#include "coordinator/system/machine.h"

namespace cce {

struct EngineOptions {
  std::filesystem::path worker;
  std::int64_t most_active = 1;
  double cancel_seconds = 120.0;
  double submit_retry_seconds = 600.0;
  Machine machine;
  Clock clock;
};

/// Moves jobs: hands queued ones to the scheduler, follows those that it has, and judges their ends. It keeps
/// nothing that must survive: over a table that was loaded again it goes on where another engine stopped.
///   queued      the job directory is made; `submitting` is stored; the scheduler is called
///   submitting  without a scheduler id: an earlier call was cut short. The scheduler is searched for the
///               attempt's name; only when it is not there, and cannot turn up any more, it is submitted
///               (again)
///   running     events are read, the scheduler is asked
///   cancelling  control/cancel; after cancel_seconds, or where it only waits, the run is ended
///   lost        the scheduler is asked now and then
/// step: one thread; keep and metrics: any.
class JobEngine {
 public:
  JobEngine(FileSystem& files, Scheduler& scheduler, JobTable& table, EngineOptions options);

  /// A job that is about to be queued, as it was prepared when it was accepted. What is not kept, because another
  /// process accepted it, is prepared again from what is stored.
  void keep(const std::string& id, PreparedJob job);

  void step();
  ServiceMetrics metrics() const;

 private:
  /// What is known of a job's run in this process only.
  struct Follow {
    std::optional<double> unanswered_since;  ///< since when a submission may or may not have happened
    double not_before = 0.0;                 ///< after an error of the engine itself
    double next_try = 0.0;
    double retry_seconds = 1.0;
    double next_poll = 0.0;
    double next_terminate = 0.0;
    bool queue_counted = false;
    bool events_failed = false;  ///< they cannot be read on
    std::optional<JobRun> run;   ///< judges its end
  };

  void attend(const OpenJob& job);
  void begin(const OpenJob& job);
  PreparedJob& prepared(const OpenJob& job);
  void forget_prepared(const std::vector<OpenJob>& jobs);
  void submit(const OpenJob& job, const LaunchInputs& inputs);
  void answer_submission(const OpenJob& job);
  void retry_later(const OpenJob& job, const Error& error);
  void follow(const OpenJob& job);
  void read_events(const OpenJob& job);
  void look_at_run(const OpenJob& job, const RunState& run);
  void ask_to_stop(const OpenJob& job);
  void press_cancel(const OpenJob& job, const RunState& run);
  void conclude(const OpenJob& job, const RunState& run);
  JobRun& run_of(const OpenJob& job);
  void complete(const OpenJob& job);
  void move(const OpenJob& job, JobAction action, TransitionDetails details = {});

  std::int64_t free_slots(const std::vector<OpenJob>& jobs) const;
  JobDir directory(const OpenJob& job) const;
  void count_event(const JobEvent& event);
  void count_queue(const OpenJob& job);
  void count_result(const OpenJob& job);
  void count_scheduler_error(const std::string& call);
  template <typename Call>
  auto ask(const char* call, const Call& body);

  FileSystem& files_;
  Scheduler& scheduler_;
  JobTable& table_;
  const EngineOptions options_;
  std::map<std::string, Follow> follows_;
  double next_unload_ = 0.0;
  std::mutex stepping_;
  std::mutex keeping_;
  std::map<std::string, PreparedJob>
      prepared_;  ///< queued jobs by id; guarded by keeping_, erased by step alone
  mutable std::mutex counting_;
  ServiceMetrics metrics_;
};

}  // namespace cce
