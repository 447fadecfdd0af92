#include "coordinator/run/event_reader.h"

#include <fstream>

#include "common/base/error.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t most_bytes_at_once = std::int64_t{4} << 20;

/// Up to `limit` bytes after `offset`; nothing where the file is not there.
std::string read_from(const fs::path& path, std::int64_t offset, std::int64_t limit) {
  std::error_code error;
  const auto size = static_cast<std::int64_t>(fs::file_size(path, error));
  if (error || size <= offset) {
    return {};
  }
  std::string text(static_cast<std::size_t>(std::min(limit, size - offset)), '\0');
  std::ifstream stream(path, std::ios::binary);
  stream.seekg(offset);
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

}  // namespace

std::vector<EventReader::Line> EventReader::read_new() {
  std::vector<Line> lines;
  const std::string text = read_from(path_, offset_, most_bytes_at_once);
  std::size_t start = 0;
  for (std::size_t end = 0; (end = text.find('\n', start)) != std::string::npos; start = end + 1) {
    Line line{.offset = offset_ + static_cast<std::int64_t>(start),
              .text = text.substr(start, end - start),
              .event = {}};
    const std::string where = path_.string() + ", event " + std::to_string(last_seq_ + 1);
    try {
      line.event = parse_job_event(line.text, where);
      if (line.event.seq != last_seq_ + 1) {
        throw Error{.code = ErrorCode::malformed_file,
                    .where = where,
                    .found = "seq " + std::to_string(line.event.seq),
                    .expected = "the next number",
                    .remedy = "Put events.jsonl back as the workers wrote it, or start the job anew."};
      }
    } catch (const Error&) {
      const bool others_follow = end + 1 != text.size();
      if (others_follow && lines.empty()) {
        throw;
      }
      break;  // the next call begins with it
    }
    ++last_seq_;
    lines.push_back(std::move(line));
  }
  offset_ += static_cast<std::int64_t>(start);
  return lines;
}

}  // namespace cce
