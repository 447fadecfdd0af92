#pragma once
#include <map>
#include <memory>

#include "coordinator/process.h"
#include "coordinator/scheduler.h"

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
///   memory;
///   - as many slots as ranks, whatever the machine says, so that mpirun never refuses;
///   - ranks × threads ≤ cores and binding wanted: every rank on `threads` cores of its own, its OpenMP
///   threads bound in
///     them; otherwise unbound, waits yield, and with ranks × threads > cores mpirun is told to
///     oversubscribe;
///   - also one rank goes through mpirun: one way to start, to log and to end.
ProcessRequest launch_command(const Launch& launch, const std::filesystem::path& mpirun,
                              const MachineLoad& machine);

/// mpirun on this machine. Errors of submit: missing_file names the package that brings mpirun.
class LocalScheduler : public Scheduler {
 public:
  SchedulerTraits traits() const override;
  std::string submit(const Launch& launch) override;
  std::optional<std::string> find(const std::string& name) override;
  RunState state(const std::string& id) override;
  void terminate(const std::string& id) override;

 private:
  ChildProcess& run(const std::string& id);
  std::map<std::string, std::unique_ptr<ChildProcess>> runs_;
};

}  // namespace cce
