#pragma once
#include <cstdint>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "common/job/job_event.h"

namespace cce {

/// How to write to a terminal.
struct ProgressStyle {
  bool quiet = false;  ///< nothing at all
  bool live = false;   ///< one line that is rewritten; else a line from time to time
  bool color = false;
  std::int64_t width = 80;
};

/// Live only on a terminal that is not dumb; colour unless NO_COLOR is set (to anything but nothing).
ProgressStyle progress_style(bool is_terminal, std::optional<std::string> term,
                             std::optional<std::string> no_color, std::int64_t width, bool quiet);

/// Shows a job's events to a person: stage, layer, done of total, tokens per second, time left, memory.
///   [4/6] encode  layer 17  57 %  ▕█████▌    ▏ 11.2 k tokens/s  about 12.1 s left  peak 1.9 GiB
/// Not thread-safe. Writes to `out`, which must outlive it.
class Progress {
 public:
  /// `stages`: names in the order in which they run.
  Progress(std::ostream& out, ProgressStyle style, std::vector<std::string> stages);
  /// Ends a live line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void show(const JobEvent& event);
  /// A sentence on a line of its own.
  void note(const std::string& sentence);

 private:
  std::string line(const JobEvent& event) const;
  std::string stage_label(const std::string& stage) const;
  void write_line(const std::string& text);
  void end_live_line();

  std::ostream& out_;
  ProgressStyle style_;
  std::vector<std::string> stages_;
  std::string stage_;
  double stage_started_ = 0.0;
  double last_line_ = 0.0;  ///< time of the last plain progress line
  bool live_line_open_ = false;
};

}  // namespace cce
