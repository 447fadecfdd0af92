#include "common/base/log.h"

#include <array>
#include <ctime>

#include "common/base/error.h"

namespace cce {

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "DEBUG";
    case LogLevel::info:
      return "INFO";
    case LogLevel::warning:
      return "WARNING";
    case LogLevel::error:
      return "ERROR";
  }
  return "ERROR";
}

std::string format_utc(double seconds_since_1970) {
  const auto seconds = static_cast<std::time_t>(seconds_since_1970);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 32> text{};
  const std::size_t length = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return std::string(text.data(), length);
}

Logger::Logger(LogLevel lowest, std::string name, std::ostream* console, std::unique_ptr<FileWriter> file,
               Clock clock)
    : lowest_(lowest),
      name_(std::move(name)),
      console_(console),
      file_(std::move(file)),
      clock_(std::move(clock)) {}

void Logger::write(LogLevel level, std::string_view message) {
  if (level < lowest_) {
    return;
  }
  std::string line = format_utc(clock_());
  line.append(" ").append(level_name(level)).append(" ").append(name_).append(": ");
  for (const char character : message) {
    line += character == '\n' ? std::string("\\n") : std::string(1, character);
  }
  line += '\n';
  const std::lock_guard<std::mutex> guard(mutex_);
  if (console_ != nullptr) {
    *console_ << line << std::flush;
  }
  if (file_ == nullptr) {
    return;
  }
  try {
    file_->append(std::string_view(line));
  } catch (const Error& failure) {
    file_.reset();
    if (console_ != nullptr) {
      *console_ << "the log file is given up: " << describe(failure) << '\n' << std::flush;
    }
  }
}

}  // namespace cce
