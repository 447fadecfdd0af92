#include "coordinator/scheduler/local_launcher.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>

#include "common/base/error.h"
#include "coordinator/scheduler/run_record.h"
#include "coordinator/system/host_name.h"
#include "coordinator/system/process_table.h"

namespace cce {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double grace_seconds = 5.0;     // between SIGTERM and SIGKILL when time is up
constexpr double cleanup_seconds = 10.0;  // for what a program left behind
constexpr int exit_cannot_execute = 127;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Error system_error(const std::string& where) {
  return Error{.code = ErrorCode::io_failure,
               .where = where,
               .found = std::strerror(errno),
               .remedy = "Check the machine's limits on processes and open files (ulimit -u, ulimit -n)."};
}

sigset_t child_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  return set;
}

/// Waits until some child has changed or the time is over.
void wait_for_child(double seconds) {
  const sigset_t set = child_signal();
  const auto whole = static_cast<time_t>(seconds);
  const timespec limit{.tv_sec = whole,
                       .tv_nsec = static_cast<long>((seconds - static_cast<double>(whole)) * 1e9)};
  ::sigtimedwait(&set, nullptr, &limit);
}

/// In the child, between fork and exec: only calls that are safe there.
[[noreturn]] void become(std::vector<char*>& arguments, pid_t launcher) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launcher) {
    ::_exit(exit_cannot_execute);  // the launcher died before it could be watched
  }
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ::signal(number, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(arguments[0], arguments.data());
  constexpr const char message[] = "cce launch-local: the program cannot be executed\n";
  static_cast<void>(!::write(STDERR_FILENO, message, sizeof(message) - 1));
  ::_exit(exit_cannot_execute);
}

class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    std::vector<char*> pointers;
    for (std::string& argument : arguments) {
      pointers.push_back(argument.data());
    }
    pointers.push_back(nullptr);
    const pid_t launcher = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
      throw system_error("starting " + arguments[0]);
    }
    if (pid_ == 0) {
      become(pointers, launcher);
    }
  }

  /// Reaps whatever has ended, also what was left to this process by others.
  void reap() {
    int status = 0;
    for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended != pid_) {
        continue;
      }
      state_.phase = RunPhase::ended;
      if (WIFSIGNALED(status)) {
        state_.end = RunEnd::signalled;
        state_.signal = WTERMSIG(status);
      } else {
        state_.end = RunEnd::exited;
        state_.exit_status = WEXITSTATUS(status);
      }
    }
  }

  const RunState& state() const { return state_; }

 private:
  pid_t pid_ = -1;
  RunState state_;
};

void kill_all(const std::vector<pid_t>& processes, int number) {
  for (const pid_t process : processes) {
    ::kill(process, number);
  }
}

RunState wait_for_end(Program& program, std::optional<std::int64_t> time_limit_seconds) {
  constexpr double look_seconds = 3600.0;
  const Clock::time_point started = Clock::now();
  bool out_of_time = false;
  while (!program.state().ended()) {
    double wait_seconds = look_seconds;
    if (time_limit_seconds) {
      const double left = static_cast<double>(*time_limit_seconds) - seconds_since(started);
      if (left <= 0.0) {
        if (!out_of_time) {
          ::kill(0, SIGTERM);  // the own group; this process ignores it
        } else if (left <= -grace_seconds) {
          kill_all(descendants(::getpid()), SIGKILL);
        }
        out_of_time = true;
      }
      wait_seconds = left > 0.0 ? left : 0.2;
    }
    wait_for_child(wait_seconds);
    program.reap();
  }
  RunState state = program.state();
  if (out_of_time) {
    state.end = RunEnd::timed_out;
  }
  return state;
}

void end_what_is_left(Program& program) {
  const Clock::time_point started = Clock::now();
  for (std::vector<pid_t> left = descendants(::getpid()); !left.empty(); left = descendants(::getpid())) {
    if (seconds_since(started) > cleanup_seconds) {
      throw Error{.code = ErrorCode::deadline_exceeded,
                  .where = "ending process " + std::to_string(left.front()),
                  .found = "still running after 10 s",
                  .expected = "",
                  .remedy = "It may hang in the kernel (a lost file system?)."};
    }
    kill_all(left, SIGKILL);
    wait_for_child(0.05);
    program.reap();
  }
}

}  // namespace

void run_local_launch(FileSystem& files, const LocalLaunch& launch) {
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    ::signal(number, SIG_IGN);
  }
  const sigset_t set = child_signal();
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  if (!suits_mpi(host_name())) {
    take_host_name("cce");
  }
  // What the program's children leave behind becomes this process's child and is found.
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);

  RunRecord record(files, launch.folder, launch.name);
  const std::unique_ptr<FileLock> lock = record.claim();                    // 1.
  Program program(launch.arguments);                                        // 2.
  const RunState state = wait_for_end(program, launch.time_limit_seconds);  // 3.
  end_what_is_left(program);                                                // 4.
  record.write_end(state);
}

}  // namespace cce
