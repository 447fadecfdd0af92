#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace cce {

/// Whether ranks are tied to cores of their own. `automatic` ties them where the machine is idle enough to
/// give every rank its cores: on a loaded machine the kernel places threads better than a fixed list does.
enum class Binding { automatic, cores, none };

/// One attempt at a job. Everything else that the workers need is in the job directory.
struct Launch {
  std::filesystem::path job_dir;
  std::filesystem::path worker;  ///< the cce-worker program
  std::int64_t attempt = 1;
  std::int64_t ranks = 1;
  std::int64_t threads = 1;  ///< of each rank
  Binding binding = Binding::automatic;
};

/// How a run ended. Neither field set: it still runs or waits.
struct RunState {
  std::optional<int> exit_status;  ///< of the launcher: 0 is success
  std::optional<int> signal;       ///< that ended the launcher
  bool ended() const { return exit_status.has_value() || signal.has_value(); }
};

/// Starts workers and knows whether they run; what they do is read from the job directory. Asking workers to
/// stop at a safe point is control/cancel's work, not a scheduler's. One thread at a time.
class Scheduler {
 public:
  virtual ~Scheduler() = default;

  /// Starts the attempt and returns its id, unique within this scheduler. The launcher's and the workers'
  /// output goes to JOB/logs/attempt-N.log. Errors: missing_file (worker or launcher), io_failure.
  virtual std::string submit(const Launch& launch) = 0;

  /// Does not wait. Errors: invalid_argument for an id that was never given out.
  virtual RunState state(const std::string& id) = 0;

  /// Ends every process of the run now. Returns once they are gone. Errors: deadline_exceeded after 10 s.
  virtual void terminate(const std::string& id) = 0;
};

}  // namespace cce
