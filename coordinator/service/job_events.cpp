#include "coordinator/service/job_events.h"

#include <fstream>

#include "common/base/error.h"

namespace cce {

namespace fs = std::filesystem;

void EventIndex::add(EventReader::Line line) {
  offsets_.push_back(line.offset);
  recent_.push_back(std::move(line.text));
  if (recent_.size() > most_lines) {
    recent_.pop_front();
  }
}

const std::string* EventIndex::recent(std::int64_t seq) const {
  const std::int64_t first = count() - static_cast<std::int64_t>(recent_.size()) + 1;
  return seq < first || seq > count() ? nullptr : &recent_[static_cast<std::size_t>(seq - first)];
}

std::vector<std::string> read_lines(const fs::path& file, std::int64_t offset, std::size_t count) {
  std::vector<std::string> lines;
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(offset);
  for (std::string line; lines.size() < count && std::getline(stream, line);) {
    lines.push_back(std::move(line));
  }
  if (lines.size() < count) {
    throw Error{.code = ErrorCode::io_failure,
                .where = file.string(),
                .found = "fewer events than were there before",
                .expected = "a file that only grows",
                .remedy = "Put events.jsonl back as the workers wrote it."};
  }
  return lines;
}

}  // namespace cce
