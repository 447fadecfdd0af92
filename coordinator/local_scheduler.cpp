#include "coordinator/local_scheduler.h"

#include <unistd.h>

#include <cstdlib>

#include "common/error.h"
#include "coordinator/machine.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

bool binds(const Launch& launch, const MachineLoad& machine) {
  const std::int64_t wanted = launch.ranks * launch.threads;
  if (wanted > machine.cores || launch.binding == Binding::none) {
    return false;
  }
  const double idle_cores = static_cast<double>(machine.cores) - machine.busy_cores;
  return launch.binding == Binding::cores || idle_cores + 0.5 >= static_cast<double>(wanted);
}

std::map<std::string, std::string> environment_of(const Launch& launch, const MachineLoad& machine,
                                                  bool bound) {
  const std::string threads = std::to_string(launch.threads);
  std::map<std::string, std::string> environment{
      {"OMPI_ALLOW_RUN_AS_ROOT", "1"},
      {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"},
      {"OMPI_MCA_plm", "isolated"},
      {"OMPI_MCA_ras", "^slurm,gridengine,loadleveler,tm"},
      {"OMPI_MCA_pml", "ob1"},
      {"OMPI_MCA_btl", "self,vader"},
      // Copies through a shared buffer: reading another process's memory is forbidden in most containers.
      {"OMPI_MCA_btl_vader_single_copy_mechanism", "none"},
      {"OMPI_MCA_oob_tcp_if_include", "lo"},
      {"OMPI_MCA_mpi_yield_when_idle", bound ? "0" : "1"},
      {"OMP_NUM_THREADS", threads},
      {"OPENBLAS_NUM_THREADS", threads},
      {"OMP_PROC_BIND", bound ? "close" : "false"}};
  if (launch.ranks * launch.threads > machine.cores) {
    environment["OMP_WAIT_POLICY"] =
        "passive";  // a spinning thread would hold the core that its partner needs
  }
  return environment;
}

}  // namespace

MachineLoad machine_load() {
  MachineLoad machine{.cores = usable_cores(), .busy_cores = 0.0};
  double load = 0.0;
  if (::getloadavg(&load, 1) == 1) {
    machine.busy_cores = load;
  }
  return machine;
}

ProcessRequest launch_command(const Launch& launch, const fs::path& mpirun, const MachineLoad& machine) {
  const bool bound = binds(launch, machine);
  std::vector<std::string> arguments{
      mpirun.string(),
      "--tag-output",
      "-n",
      std::to_string(launch.ranks),
      "--host",
      "localhost:" + std::to_string(std::max(launch.ranks * launch.threads, std::int64_t{1}))};
  if (bound) {
    arguments.insert(arguments.end(), {"--map-by", "slot:PE=" + std::to_string(launch.threads), "--bind-to",
                                       "core:overload-allowed"});
  } else {
    arguments.insert(arguments.end(), {"--oversubscribe", "--bind-to", "none"});
  }
  arguments.insert(arguments.end(), {launch.worker.string(), launch.job_dir.string(), "--attempt",
                                     std::to_string(launch.attempt)});
  return {.arguments = std::move(arguments),
          .environment = environment_of(launch, machine, bound),
          .output = launch.job_dir / "logs" / ("attempt-" + std::to_string(launch.attempt) + ".log")};
}

std::string LocalScheduler::submit(const Launch& launch) {
  if (::access(launch.worker.c_str(), X_OK) != 0) {
    throw Error{.code = ErrorCode::missing_file,
                .where = launch.worker.string(),
                .found = "no program",
                .expected = "cce-worker in the folder of cce",
                .remedy = "Build all targets, or name it with --worker."};
  }
  const std::optional<fs::path> mpirun = find_program("mpirun");
  if (!mpirun) {
    throw Error{.code = ErrorCode::missing_file,
                .where = "PATH",
                .found = "no mpirun",
                .expected = "Open MPI's launcher",
                .remedy = "On Debian: apt-get install openmpi-bin."};
  }
  fs::create_directories(launch.job_dir / "logs");
  auto child = std::make_unique<ChildProcess>(launch_command(launch, *mpirun, machine_load()));
  std::string id = launch.name;
  runs_[id] = std::move(child);
  return id;
}

SchedulerTraits LocalScheduler::traits() const {
  return {.name = "local", .most_runs = 1};
}

std::optional<std::string> LocalScheduler::find(const std::string& name) {
  return runs_.contains(name) ? std::optional(name) : std::nullopt;
}

RunState LocalScheduler::state(const std::string& id) {
  const ProcessState process = run(id).poll();
  return {.phase = process.ended() ? RunPhase::ended : RunPhase::running,
          .end = process.signal ? RunEnd::signalled : RunEnd::exited,
          .exit_status = process.exit_status,
          .signal = process.signal,
          .reason = ""};
}

void LocalScheduler::terminate(const std::string& id) {
  run(id).terminate();
}

ChildProcess& LocalScheduler::run(const std::string& id) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "LocalScheduler",
                .found = "run " + id,
                .expected = "an id that submit returned",
                .remedy = ""};
  }
  return *found->second;
}

}  // namespace cce
