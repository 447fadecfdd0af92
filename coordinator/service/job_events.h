#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "coordinator/run/event_reader.h"

namespace cce {

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
