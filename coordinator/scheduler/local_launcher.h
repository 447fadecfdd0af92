#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// What `cce launch-local` is told: the process between the scheduler and mpirun.
struct LocalLaunch {
  std::filesystem::path folder;  ///< of run records
  std::string name;
  std::optional<std::int64_t> time_limit_seconds;
  std::vector<std::string> arguments;  ///< the program, a path, and its arguments
};

/// Runs a program to its end and keeps a record of it that outlives whoever asked for it:
///   1. NAME.run with this process's pid and start time, by which it is known again
///   2. the program, in this process's session; it dies with this process
///   3. wait for its end, and end it when the time limit has passed
///   4. end whatever it left behind, then write NAME.end
/// Where Open MPI cannot start under this machine's host name, the program gets one of its own.
/// SIGTERM, SIGINT and SIGHUP are ignored: they mean the program, which is in the same process group. Must be
/// the only thread of its process. Errors: job_locked where another launcher has or had the name; io_failure.
void run_local_launch(FileSystem& files, const LocalLaunch& launch);

}  // namespace cce
