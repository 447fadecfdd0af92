#pragma once
#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/system/process_table.h"

namespace cce {

/// How a process ended. Neither field set: it still runs.
struct ProcessState {
  std::optional<int> exit_status;  ///< 0 is success
  std::optional<int> signal;       ///< that ended it
  bool ended() const { return exit_status.has_value() || signal.has_value(); }
};

struct ProcessRequest {
  std::vector<std::string> arguments;  ///< arguments[0] is looked up in PATH when it has no '/'; no shell
  std::map<std::string, std::string> environment;  ///< added to, or replacing, this process's
  std::filesystem::path output;  ///< stdout, and stderr without a place of its own, are appended here
  std::function<bool(std::string_view)> inherits =
      {};                             ///< which variables of this process's it gets; null: all
  std::filesystem::path errors = {};  ///< stderr is appended here, where named; stdin is always empty
};

/// A child in a session and process group of its own, so that the terminal's Ctrl-C reaches only this
/// program. It inherits no descriptor but its three: a child that outlives a server must not keep the
/// server's port. Movable; the destructor leaves a running child alone (the job directory outlives its
/// watcher).
class ChildProcess {
 public:
  /// Errors: missing_file when the program is not there or cannot be run; io_failure.
  explicit ChildProcess(const ProcessRequest& request);

  pid_t pid() const { return pid_; }
  /// Reaps without waiting.
  ProcessState poll();
  /// Waits up to `seconds`; the state then may still be running.
  ProcessState wait(double seconds);
  /// SIGTERM to the group, SIGKILL to it and all descendants after a grace of two seconds.
  /// Errors: deadline_exceeded when something still runs after ten.
  void terminate();

 private:
  pid_t pid_ = -1;
  ProcessState state_;
};

/// How a program ended and what it printed, kept apart: warnings on stderr must not pass for answers.
struct ProgramResult {
  ProcessState state;
  std::string output, errors;
  bool succeeded() const { return state.exit_status == 0; }
};

/// Runs a program to its end within the deadline. Errors: missing_file, io_failure; deadline_exceeded, with
/// the program ended.
ProgramResult run_to_end(const std::vector<std::string>& arguments,
                         const std::map<std::string, std::string>& environment, double deadline_seconds);

/// The same for a program that has to succeed: returns what it printed, stdout before stderr.
/// Errors: missing_file, io_failure; worker_died on a non-zero end (found: its last lines);
/// deadline_exceeded.
std::string run_program(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment, double deadline_seconds);

/// The file to run for a program's name, searched in PATH. Nothing if there is none.
std::optional<std::filesystem::path> find_program(const std::string& name);

}  // namespace cce
