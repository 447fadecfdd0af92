#include "coordinator/terminal/surroundings.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>

namespace cce {
namespace {

namespace fs = std::filesystem;

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::int64_t terminal_width() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

}  // namespace

Surroundings process_surroundings(std::ostream& out, std::ostream& err) {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return {.out = out,
          .err = err,
          .current_folder = fs::current_path(),
          .program_folder = error ? fs::current_path() : program.parent_path(),
          .style = progress_style(::isatty(STDERR_FILENO) == 1, variable("TERM"), variable("NO_COLOR"),
                                  terminal_width(), false)};
}

fs::path worker_program(const std::string& flag, const Surroundings& surroundings) {
  return flag.empty() ? surroundings.program_folder / "cce-worker" : surroundings.current_folder / flag;
}

}  // namespace cce
