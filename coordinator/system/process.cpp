#include "coordinator/system/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <sstream>

#include "common/base/error.h"

extern char** environ;

namespace cce {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr double grace_seconds = 2.0;
constexpr double kill_deadline_seconds = 10.0;

Error system_error(const std::string& where, int number) {
  return Error{.code = number == ENOENT || number == EACCES ? ErrorCode::missing_file : ErrorCode::io_failure,
               .where = where,
               .found = std::strerror(number),
               .expected = "a program that can be started",
               .remedy = "Check that it is installed and may be run."};
}

std::vector<std::string> merged_environment(const ProcessRequest& request) {
  const std::map<std::string, std::string>& additions = request.environment;
  std::vector<std::string> merged;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    if (!additions.contains(name) && (!request.inherits || request.inherits(name))) {
      merged.push_back(text);
    }
  }
  for (const auto& [name, value] : additions) {
    merged.push_back(name + "=" + value);
  }
  return merged;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  result.reserve(texts.size() + 1);
  for (std::string& text : texts) {
    result.push_back(text.data());
  }
  result.push_back(nullptr);
  return result;
}

/// Own session and group, no blocked or ignored signals inherited.
struct SpawnAttributes {
  posix_spawnattr_t value{};
  SpawnAttributes() {
    posix_spawnattr_init(&value);
    sigset_t none;
    sigset_t defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD}) {
      sigaddset(&defaults, number);
    }
    posix_spawnattr_setsigmask(&value, &none);
    posix_spawnattr_setsigdefault(&value, &defaults);
    posix_spawnattr_setflags(
        &value, static_cast<short>(POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&value); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
};

struct SpawnFiles {
  posix_spawn_file_actions_t value{};
  explicit SpawnFiles(const ProcessRequest& request) {
    constexpr int appending = O_WRONLY | O_CREAT | O_APPEND;
    posix_spawn_file_actions_init(&value);
    posix_spawn_file_actions_addopen(&value, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&value, STDOUT_FILENO, request.output.c_str(), appending, 0644);
    if (request.errors.empty()) {
      posix_spawn_file_actions_adddup2(&value, STDOUT_FILENO, STDERR_FILENO);
    } else {
      posix_spawn_file_actions_addopen(&value, STDERR_FILENO, request.errors.c_str(), appending, 0644);
    }
    posix_spawn_file_actions_addclosefrom_np(&value, STDERR_FILENO + 1);
  }
  ~SpawnFiles() { posix_spawn_file_actions_destroy(&value); }
  SpawnFiles(const SpawnFiles&) = delete;
  SpawnFiles& operator=(const SpawnFiles&) = delete;
};

void pause_briefly() {
  ::poll(nullptr, 0, 10);
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

ChildProcess::ChildProcess(const ProcessRequest& request) {
  std::vector<std::string> arguments = request.arguments;
  std::vector<std::string> environment = merged_environment(request);
  const SpawnAttributes attributes;
  const SpawnFiles files(request);
  const int result = ::posix_spawnp(&pid_, arguments[0].c_str(), &files.value, &attributes.value,
                                    pointers(arguments).data(), pointers(environment).data());
  if (result != 0) {
    throw system_error("starting " + arguments[0], result);
  }
}

ProcessState ChildProcess::poll() {
  if (state_.ended()) {
    return state_;
  }
  int status = 0;
  const pid_t reaped = ::waitpid(pid_, &status, WNOHANG);
  if (reaped == pid_) {
    if (WIFEXITED(status)) {
      state_.exit_status = WEXITSTATUS(status);
    } else if (WIFSIGNALED(status)) {
      state_.signal = WTERMSIG(status);
    }
  } else if (reaped < 0 && errno == ECHILD) {
    state_.exit_status = 1;
  }
  return state_;
}

ProcessState ChildProcess::wait(double seconds) {
  const Clock::time_point start = Clock::now();
  while (!poll().ended() && seconds_since(start) < seconds) {
    pause_briefly();
  }
  return state_;
}

void ChildProcess::terminate() {
  if (poll().ended()) {
    return;
  }
  const std::vector<pid_t> family = descendants(pid_);
  ::kill(-pid_, SIGTERM);
  const Clock::time_point start = Clock::now();
  while ((!poll().ended() || any_alive(family)) && seconds_since(start) < grace_seconds) {
    pause_briefly();
  }
  if (!state_.ended()) {
    ::kill(-pid_, SIGKILL);
  }
  for (const pid_t process : family) {
    ::kill(process, SIGKILL);
  }
  while (!poll().ended() || any_alive(family)) {
    if (seconds_since(start) > kill_deadline_seconds) {
      throw Error{.code = ErrorCode::deadline_exceeded,
                  .where = "ending process " + std::to_string(pid_),
                  .found = "still running after 10 s",
                  .expected = "",
                  .remedy = "It may hang in the kernel (a lost file system?)."};
    }
    pause_briefly();
  }
}

namespace {

/// An empty file of this process's own, removed with it.
class ScratchFile {
 public:
  ScratchFile() : path_((fs::temp_directory_path() / "cce-output-XXXXXX").string()) {
    const int descriptor = ::mkstemp(path_.data());
    if (descriptor < 0) {
      throw system_error(path_, errno);
    }
    ::close(descriptor);
  }
  ~ScratchFile() { ::unlink(path_.c_str()); }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& path() const { return path_; }
  std::string text() const {
    std::ostringstream content;
    content << std::ifstream(path_).rdbuf();
    return std::move(content).str();
  }

 private:
  std::string path_;
};

}  // namespace

ProgramResult run_to_end(const std::vector<std::string>& arguments,
                         const std::map<std::string, std::string>& environment, double deadline_seconds) {
  const ScratchFile output;
  const ScratchFile errors;
  ChildProcess child(
      {.arguments = arguments, .environment = environment, .output = output.path(), .errors = errors.path()});
  const ProcessState state = child.wait(deadline_seconds);
  if (!state.ended()) {
    child.terminate();
    throw Error{.code = ErrorCode::deadline_exceeded,
                .where = arguments[0],
                .found = "still running after " + std::to_string(static_cast<int>(deadline_seconds)) + " s",
                .expected = "an end within that time",
                .remedy = "Try again when the machine is less busy."};
  }
  return {.state = state, .output = output.text(), .errors = errors.text()};
}

std::string run_program(const std::vector<std::string>& arguments,
                        const std::map<std::string, std::string>& environment, double deadline_seconds) {
  ProgramResult result = run_to_end(arguments, environment, deadline_seconds);
  if (!result.succeeded()) {
    throw Error{.code = ErrorCode::worker_died,
                .where = arguments[0],
                .found = result.output + result.errors,
                .expected = "an exit status of 0",
                .remedy = "Mend what the program says, and try again."};
  }
  return result.output + result.errors;
}

std::optional<fs::path> find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder.empty() ? "." : folder) / name;
    if (::access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate)) {
      return candidate;
    }
  }
  return std::nullopt;
}

}  // namespace cce
