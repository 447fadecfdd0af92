#include "common/job/rank_errors.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "common/base/error_json.h"

namespace cce {
namespace {

using Path = FileSystem::Path;

std::string prefix_of(std::int64_t attempt) {
  return "attempt-" + std::to_string(attempt) + ".rank-";
}

struct RankFile {
  int rank;
  std::string name;
};

/// In order of rank.
std::vector<RankFile> rank_files(const FileSystem& files, const Path& logs, std::int64_t attempt) {
  std::vector<RankFile> found;
  if (!files.is_directory(logs)) {
    return found;
  }
  const std::string prefix = prefix_of(attempt);
  for (const std::string& name : files.list(logs)) {
    if (!name.starts_with(prefix) || !name.ends_with(".json")) {
      continue;
    }
    int rank = 0;
    const char* const begin = name.data() + prefix.size();
    const auto [end, failure] = std::from_chars(begin, name.data() + name.size(), rank);
    if (failure == std::errc() && std::string_view(end) == ".json") {
      found.push_back({rank, name});
    }
  }
  std::sort(found.begin(), found.end(), [](const RankFile& a, const RankFile& b) { return a.rank < b.rank; });
  return found;
}

}  // namespace

void clear_rank_errors(FileSystem& files, const Path& root, std::int64_t attempt) {
  for (const RankFile& file : rank_files(files, root / "logs", attempt)) {
    files.remove_all(root / "logs" / file.name);
  }
}

void write_rank_error(FileSystem& files, const Path& root, std::int64_t attempt, int rank,
                      const Error& error) {
  files.make_directory(root / "logs");
  files.write_atomic(root / "logs" / (prefix_of(attempt) + std::to_string(rank) + ".json"),
                     pretty_json(error_json(error)));
}

std::optional<Error> find_rank_error(const FileSystem& files, const Path& root, std::int64_t attempt) {
  std::optional<Error> first;
  for (const RankFile& file : rank_files(files, root / "logs", attempt)) {
    const std::string where = (root / "logs" / file.name).string();
    try {
      const Error error = read_error(parse_json(files.read_text(where), where), where);
      if (!follows_from_another(error)) {
        return error;
      }
      first = first.value_or(error);
    } catch (const Error&) {  // a record that cannot be read explains nothing
      continue;
    }
  }
  return first;
}

bool follows_from_another(const Error& error) {
  return error.code == ErrorCode::worker_died || error.code == ErrorCode::deadline_exceeded;
}

}  // namespace cce
