#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/job/job_event.h"

namespace cce {

/// Follows an events file: each call reads only what was appended since the last one. Not thread-safe.
class EventReader {
 public:
  struct Line {
    std::int64_t offset = 0;  ///< of its first byte
    std::string text;         ///< without the line break
    JobEvent event;
  };

  explicit EventReader(std::filesystem::path path) : path_(std::move(path)) {}

  /// The whole lines after those read before, at most about 4 MiB of them. A last line that is torn or cannot
  /// be read yet waits for the next call (a worker cuts it and writes it again); an absent file has none.
  /// Errors: malformed_file where a line that others follow is not an event, or seq does not count 1, 2, 3,
  /// ...
  std::vector<Line> read_new();

 private:
  std::filesystem::path path_;
  std::int64_t offset_ = 0;
  std::int64_t last_seq_ = 0;
};

}  // namespace cce
