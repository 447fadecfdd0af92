#pragma once
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/file.h"

namespace cce {

enum class LogLevel { debug, info, warning, error };

std::string_view level_name(LogLevel level);

/// Writes lines "2026-01-31T12:00:00Z INFO rank 0: text" to a console, a file, or both. Passed along, never
/// global. Threads may share it; a line is never torn apart. Line breaks in a message become "\n", so that an
/// event is a line. A file that can no longer be written is given up with one line on the console: logging
/// never ends a job.
class Logger {
 public:
  /// console: null for none, else it must outlive the logger. file: null for none. name: who speaks, such as
  /// "rank 0".
  Logger(LogLevel lowest, std::string name, std::ostream* console, std::unique_ptr<FileWriter> file = nullptr,
         Clock clock = system_clock());

  void write(LogLevel level, std::string_view message);
  void debug(std::string_view message) { write(LogLevel::debug, message); }
  void info(std::string_view message) { write(LogLevel::info, message); }
  void warning(std::string_view message) { write(LogLevel::warning, message); }
  void error(std::string_view message) { write(LogLevel::error, message); }

 private:
  LogLevel lowest_;
  std::string name_;
  std::ostream* console_;
  std::unique_ptr<FileWriter> file_;
  Clock clock_;
  std::mutex mutex_;
};

/// "2026-01-31T12:00:00Z"
std::string format_utc(double seconds_since_1970);

}  // namespace cce
