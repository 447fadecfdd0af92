#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cce {

/// Whether ranks are tied to cores of their own. `automatic` ties them where the machine is idle enough to
/// give every rank its cores: on a loaded machine the kernel places threads better than a fixed list does.
enum class Binding { automatic, cores, none };

/// One attempt at a job. What the workers compute is in the job directory. A scheduler refuses what it cannot
/// honour of the fields that only clusters know.
struct Launch {
  std::string name;  ///< unique over all attempts of all jobs: cce-ID-ATTEMPT; see check_run_name
  std::filesystem::path job_dir;
  std::filesystem::path worker;  ///< the cce-worker program
  std::int64_t attempt = 1;
  std::int64_t ranks = 1;    ///< over all nodes
  std::int64_t threads = 1;  ///< of each rank, its node's
  Binding binding = Binding::automatic;

  // ---- clusters
  /// Variables that the workers get beside what their node gives them (numeric_environment.h): a scheduler
  /// whose workers inherit this process's environment has nothing to do.
  std::map<std::string, std::string> environment;
  std::int64_t nodes = 1;
  std::int64_t gpus_per_rank = 0;                  ///< 0: none asked for
  std::optional<std::int64_t> memory_bytes;        ///< of each rank
  std::optional<std::int64_t> time_limit_seconds;  ///< the run is ended when it has passed
  std::optional<std::string> partition, account, qos, constraint;
  std::vector<std::string> environment_modules;  ///< loaded in this order before the workers start
  std::optional<std::string> container_image;
};

/// waiting: accepted and not started (also after a requeue). running. ended: no process of it is left.
enum class RunPhase { waiting, running, ended };

/// Why a run ended. `vanished`: the scheduler knows nothing of how (records gone, machine rebooted).
enum class RunEnd { exited, signalled, cancelled, timed_out, node_failed, out_of_memory, vanished };

/// A run as its scheduler sees it. Fields below `phase` mean something once it has ended.
struct RunState {
  RunPhase phase = RunPhase::running;
  RunEnd end = RunEnd::exited;
  std::optional<int> exit_status = {};  ///< of the launcher: 0 is success
  std::optional<int> signal = {};       ///< that ended the launcher
  std::string reason = {};              ///< in the scheduler's words; also why a run waits; "" for none
  bool ended() const { return phase == RunPhase::ended; }
};

/// What whoever polls a scheduler has to know about it.
struct SchedulerTraits {
  std::string name;                       ///< "local", "slurm"
  std::optional<std::int64_t> most_runs;  ///< that it takes at once; nothing: it queues by itself
  double poll_seconds = 0.2;              ///< how often asking for a state is worth its price
  double settle_seconds = 0.0;  ///< after a submit that was cut short, how long its run may still appear
  bool submits_once = false;  ///< submit under a name that has a run gives that run's id and starts nothing:
                              ///< a submit that was cut short may be repeated at once
};

/// Starts workers and knows whether they run; what they do is read from the job directory. Asking workers to
/// stop at a safe point is control/cancel's work, not a scheduler's. Runs belong to names, not to objects: a
/// new Scheduler over the same place (after a restart) finds and ends what an earlier one submitted.
/// One thread at a time. No call waits longer than 30 s. Errors of every call besides those named:
/// deadline_exceeded and io_failure where the scheduler cannot be asked; the call may be repeated.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  virtual SchedulerTraits traits() const = 0;

  /// Refuses what submit would refuse of the recipe's wishes, before anything is written: unsupported,
  /// impossible_combination; invalid_argument for the name. Pure, from any thread; what the cluster itself
  /// thinks of it shows at submit.
  virtual void check(const Launch& launch) const = 0;

  /// Starts the attempt, or queues it, and returns its id, unique within this scheduler. The launcher's and
  /// the workers' output goes to JOB/logs/attempt-N.log. Precondition: find(launch.name) is empty. When the
  /// error is deadline_exceeded or io_failure the run may have been accepted all the same: find() tells.
  /// Errors: unsupported for fields that this scheduler cannot honour; missing_file (worker or launcher);
  /// out_of_range, does_not_fit where the scheduler refuses the request for good; job_locked where it takes
  /// no more runs now.
  virtual std::string submit(const Launch& launch) = 0;

  /// The id of the run that was submitted under this name, also where it has ended; nothing where none was.
  /// Asked after a restart, before anything is submitted again.
  virtual std::optional<std::string> find(const std::string& name) = 0;

  /// Does not wait. Errors: invalid_argument for an id that was never given out.
  virtual RunState state(const std::string& id) = 0;

  /// Ends every process of the run now; nothing to do where it has ended. Local: returns once they are gone;
  /// a cluster's may take until a later state(). Errors: invalid_argument as for state.
  virtual void terminate(const std::string& id) = 0;
};

/// Names become parts of file names and arguments. Errors: invalid_argument unless 1 to 100 of a-z A-Z 0-9 .
/// _ - and first a letter or digit.
void check_run_name(const std::string& name);

}  // namespace cce
