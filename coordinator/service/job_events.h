#pragma once
#include <cstdint>
#include <deque>
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

/// Where each event's line stands in its file, and the text of the latest ones: enough to serve many readers
/// without reading the file again. Eight bytes an event, and at most 512 lines. Not thread-safe.
class EventIndex {
 public:
  void add(EventReader::Line line);
  std::int64_t count() const { return static_cast<std::int64_t>(offsets_.size()); }

  /// The line of event `seq`, 1 to count(), if it is still held; else nullptr.
  const std::string* recent(std::int64_t seq) const;
  std::int64_t offset(std::int64_t seq) const { return offsets_[static_cast<std::size_t>(seq - 1)]; }

 private:
  static constexpr std::size_t most_lines = 512;
  std::vector<std::int64_t> offsets_;
  std::deque<std::string> recent_;
};

/// `count` lines from an offset. Errors: io_failure where the file has fewer.
std::vector<std::string> read_lines(const std::filesystem::path& file, std::int64_t offset,
                                    std::size_t count);

}  // namespace cce
