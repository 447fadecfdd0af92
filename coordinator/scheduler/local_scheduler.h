#pragma once
#include <map>
#include <memory>
#include <set>

#include "coordinator/scheduler/run_record.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/system/process.h"

namespace cce {

/// What the launch depends on in this machine; a value, so that tests choose it.
struct MachineLoad {
  std::int64_t cores = 1;   ///< this process may use
  double busy_cores = 0.0;  ///< the one-minute load average
};
MachineLoad machine_load();

/// The command and environment that start an attempt here (mpirun as root, in containers and on busy
/// machines):
///   - one node, so no remote agents and no network: plm isolated, oob and btl over loopback and shared
///     memory;
///   - as many slots as ranks, whatever the machine says, so that mpirun never refuses;
///   - ranks × threads ≤ cores and binding wanted: every rank on `threads` cores of its own, its OpenMP
///     threads bound in them; otherwise unbound, waits yield, and with ranks × threads > cores mpirun is told
///     to oversubscribe;
///   - one rank is started by mpirun too, so that all runs start, log and end alike.
ProcessRequest launch_command(const Launch& launch, const std::filesystem::path& mpirun,
                              const MachineLoad& machine);

/// Errors: unsupported for what only a cluster can honour, by its recipe key. Pure.
void check_local_launch(const Launch& launch);

struct LocalSchedulerOptions {
  std::filesystem::path folder;    ///< of run records (run_record.h); made if need be
  std::filesystem::path launcher;  ///< the program cce, for its subcommand launch-local
  std::int64_t most_runs = 1;
};

/// mpirun on this machine, each run in a session of its own below a launcher that keeps a record of it: runs
/// go on when this process ends, and a LocalScheduler over the same folder finds them by name, pid and start
/// time. A run's id is its name. Errors of submit: missing_file names the package that brings mpirun;
/// job_locked while most_runs are running; unsupported for nodes, partition, account, QoS, constraint,
/// modules and container image.
class LocalScheduler : public Scheduler {
 public:
  LocalScheduler(FileSystem& files, LocalSchedulerOptions options);

  SchedulerTraits traits() const override;
  void check(const Launch& launch) const override;
  std::string submit(const Launch& launch) override;
  std::optional<std::string> find(const std::string& name) override;
  RunState state(const std::string& id) override;
  /// SIGTERM to the run's process group; SIGKILL to what is left of its session and descendants after two
  /// seconds. Errors: deadline_exceeded where something still runs after ten.
  void terminate(const std::string& id) override;

 private:
  RunRecord record(const std::string& id);
  void check_room();
  void wait_for_record(const std::string& name, ChildProcess& launcher);

  FileSystem& files_;
  LocalSchedulerOptions options_;
  std::map<std::string, std::unique_ptr<ChildProcess>> launchers_;  ///< own children, to be reaped
  std::set<std::string> open_;                                      ///< runs that may still be running
};

}  // namespace cce
