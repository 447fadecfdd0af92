#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/scheduler/slurm_output.h"
#include "coordinator/system/process.h"

namespace cce {

struct SlurmOptions {
  std::optional<std::filesystem::path> profile;  ///< the site's file that every batch script sources
  double command_seconds = 20.0;                 ///< that a Slurm command may take
};

/// Slurm through its own programs: sbatch, squeue, scontrol and scancel, run without a shell, each with a
/// deadline, their output read strictly. It keeps nothing: ids are Slurm's job numbers, and a run is found
/// again by its job name. Slurm itself decides which cluster (SLURM_CONF or /etc/slurm). A job directory
/// must be on a file system that the nodes share. A run that Slurm requeued is waiting again, under its id.
///
/// Exit codes: a batch script's exit status is its workers'; slurm_no_time_status is timed_out. A job that
/// Slurm has forgotten (MinJobAge after its end) is like one that never was: state and terminate say
/// invalid_argument, find nothing.
class SlurmScheduler : public Scheduler {
 public:
  /// `files` must outlive it. Errors: missing_file where Slurm's programs or the profile are not there.
  SlurmScheduler(FileSystem& files, SlurmOptions options);

  SchedulerTraits traits() const override;
  void check(const Launch& launch) const override;
  /// Writes JOB/logs/attempt-N.sbatch and submits it. Errors besides the interface's: those of
  /// render_slurm_script.
  std::string submit(const Launch& launch) override;
  std::optional<std::string> find(const std::string& name) override;
  RunState state(const std::string& id) override;
  void terminate(const std::string& id) override;

 private:
  ProgramResult ask(std::vector<std::string> arguments) const;

  FileSystem& files_;
  SlurmOptions options_;
};

/// The run behind a job's record. Pure.
RunState run_state_of(const SlurmJobRecord& record);

}  // namespace cce
