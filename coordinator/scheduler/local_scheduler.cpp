#include "coordinator/scheduler/local_scheduler.h"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>

#include "common/base/error.h"
#include "common/job/job_dir.h"
#include "coordinator/scheduler/mpi_surroundings.h"
#include "coordinator/system/machine.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr const char* shared_memory = "/dev/shm";
constexpr double grace_seconds = 2.0;
constexpr double launcher_grace_seconds = 8.0;
constexpr double terminate_deadline_seconds = 10.0;

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

void check_program(const fs::path& program, const std::string& expected, const std::string& remedy) {
  if (::access(program.c_str(), X_OK) != 0) {
    throw Error{.code = ErrorCode::missing_file,
                .where = program.string(),
                .found = "no program",
                .expected = expected,
                .remedy = remedy};
  }
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
          .output = attempt_log_path(launch.job_dir, launch.attempt),
          .inherits = mpi_inherits};
}

LocalScheduler::LocalScheduler(FileSystem& files, LocalSchedulerOptions options)
    : files_(files), options_(std::move(options)) {
  files_.make_directory(options_.folder);
  for (const std::string& file : files_.list(options_.folder)) {
    const fs::path path = file;
    if (path.extension() == ".run" && !record(path.stem()).end()) {
      open_.insert(path.stem());
    }
  }
}

SchedulerTraits LocalScheduler::traits() const {
  return {.name = "local",
          .most_runs = options_.most_runs,
          .poll_seconds = 0.1,
          .settle_seconds = 2.0,
          .submits_once = true};
}

void check_local_launch(const Launch& launch) {
  const auto refuse = [](bool asked_for, const char* key) {
    if (asked_for) {
      throw Error{.code = ErrorCode::unsupported,
                  .where = std::string("resources.").append(key),
                  .found = "a value",
                  .expected = "nothing: jobs run on this machine",
                  .remedy = "Leave it out, or submit the job to a server that runs with --scheduler slurm."};
    }
  };
  refuse(launch.nodes > 1, "nodes");
  refuse(launch.partition.has_value(), "partition");
  refuse(launch.account.has_value(), "account");
  refuse(launch.qos.has_value(), "qos");
  refuse(launch.constraint.has_value(), "constraint");
  refuse(!launch.environment_modules.empty(), "modules");
  refuse(launch.container_image.has_value(), "container");
}

void LocalScheduler::check(const Launch& launch) const {
  check_run_name(launch.name);
  check_local_launch(launch);
  check_host_name();
  find_mpi_folders(files_, session_candidates(), shared_memory, launch.ranks);
}

std::string LocalScheduler::submit(const Launch& launch) {
  check(launch);
  check_program(launch.worker, "cce-worker in the folder of cce",
                "Build all targets, or name it with --worker.");
  check_program(options_.launcher, "the program cce", "Keep cce where it was when this command started.");
  const std::optional<fs::path> mpirun = find_program("mpirun");
  if (!mpirun) {
    throw Error{.code = ErrorCode::missing_file,
                .where = "PATH",
                .found = "no mpirun",
                .expected = "Open MPI's launcher",
                .remedy = "On Debian: apt-get install openmpi-bin."};
  }
  check_room();
  files_.make_directory(launch.job_dir / "logs");
  ProcessRequest request = launch_command(launch, *mpirun, machine_load());
  const MpiFolders folders = find_mpi_folders(files_, session_candidates(), shared_memory, launch.ranks);
  request.environment["TMPDIR"] = folders.session.string();
  request.environment["OMPI_MCA_btl_vader_backing_directory"] = folders.shared_memory.string();
  std::vector<std::string> wrapped{options_.launcher.string(), "launch-local", "--folder",
                                   options_.folder.string(),   "--name",       launch.name};
  if (launch.time_limit_seconds) {
    wrapped.insert(wrapped.end(), {"--time-limit", std::to_string(*launch.time_limit_seconds)});
  }
  request.arguments.insert(request.arguments.begin(), wrapped.begin(), wrapped.end());
  auto launcher = std::make_unique<ChildProcess>(request);
  wait_for_record(launch.name, *launcher);
  launchers_[launch.name] = std::move(launcher);
  open_.insert(launch.name);
  return launch.name;
}

void LocalScheduler::check_room() {
  std::erase_if(open_, [&](const std::string& name) { return state(name).ended(); });
  if (static_cast<std::int64_t>(open_.size()) >= options_.most_runs) {
    throw Error{.code = ErrorCode::job_locked,
                .where = "local scheduler",
                .found = std::to_string(open_.size()) + " runs under way",
                .expected = "fewer than " + std::to_string(options_.most_runs),
                .remedy = "Wait for one to end, or allow more at once."};
  }
}

/// The run exists from the moment its record does: before that a crash leaves nothing that could run.
void LocalScheduler::wait_for_record(const std::string& name, ChildProcess& launcher) {
  constexpr double deadline_seconds = 20.0;
  const auto start = std::chrono::steady_clock::now();
  while (!record(name).launcher()) {
    const bool ended = launcher.wait(0.005).ended();
    if (ended && !record(name).launcher()) {
      throw Error{.code = ErrorCode::io_failure,
                  .where = options_.launcher.string(),
                  .found = "it ended before it started anything",
                  .expected = "a record of the run in " + options_.folder.string(),
                  .remedy = "The attempt's log says more."};
    }
    if (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > deadline_seconds) {
      launcher.terminate();
      throw Error{.code = ErrorCode::deadline_exceeded,
                  .where = options_.launcher.string(),
                  .found = "no record of the run after 20 s",
                  .expected = "",
                  .remedy = "Is this machine overloaded?"};
    }
  }
}

std::optional<std::string> LocalScheduler::find(const std::string& name) {
  return record(name).launcher() ? std::optional(name) : std::nullopt;
}

RunState LocalScheduler::state(const std::string& id) {
  const RunRecord run = record(id);
  const auto own = launchers_.find(id);
  if (own != launchers_.end() && own->second->poll().ended()) {
    launchers_.erase(own);
  }
  if (!run.launcher()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "LocalScheduler",
                .found = "run " + id,
                .expected = "an id that submit returned",
                .remedy = "Report this: it is a bug."};
  }
  return run.state();
}

void LocalScheduler::terminate(const std::string& id) {
  if (state(id).ended()) {
    return;
  }
  const RunRecord run = record(id);
  const pid_t launcher = run.launcher()->pid;
  ::kill(-launcher, SIGTERM);  // the launcher itself ignores it, and records the end
  const auto start = std::chrono::steady_clock::now();
  while (!state(id).ended()) {
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (seconds > terminate_deadline_seconds) {
      throw Error{.code = ErrorCode::deadline_exceeded,
                  .where = "ending run " + id,
                  .found = "still running after 10 s",
                  .expected = "",
                  .remedy = "It may hang in the kernel (a lost file system?)."};
    }
    if (seconds > grace_seconds) {
      for (const pid_t process : run.processes()) {
        ::kill(process, SIGKILL);
      }
    }
    if (seconds > launcher_grace_seconds && run.launcher_lives()) {
      ::kill(launcher, SIGKILL);
    }
    ::poll(nullptr, 0, 10);
  }
}

RunRecord LocalScheduler::record(const std::string& id) {
  return RunRecord(files_, options_.folder, id);
}

}  // namespace cce
