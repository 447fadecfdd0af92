#include "common/base/unfetched_file.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "common/base/error.h"

namespace cce {
namespace {

/// How a file begins that is not the file that was asked for.
struct Remains {
  std::string_view start;  ///< lower case
  std::string_view found;
  std::string_view remedy;
};

constexpr std::string_view page_remedy =
    "Fetch the file again: what a server answered instead (a login, a refusal) was saved under its name";

constexpr std::array remains = {
    Remains{"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself",
            "Fetch the files that the pointers stand for: git lfs install && git lfs pull, in the clone"},
    Remains{"version https://hawser.github.com/spec/", "a Git LFS pointer, not the file itself",
            "Fetch the files that the pointers stand for: git lfs install && git lfs pull, in the clone"},
    Remains{"<!doctype html", "a web page, not the file itself", page_remedy},
    Remains{"<html", "a web page, not the file itself", page_remedy},
};

constexpr std::size_t longest_start = 64;

}  // namespace

void refuse_unfetched(std::string_view start, const std::string& where) {
  std::string lower(start.substr(0, longest_start));
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  for (const Remains& row : remains) {
    if (lower.starts_with(row.start)) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = where,
                  .found = std::string(row.found),
                  .expected = "the content of " + std::filesystem::path(where).filename().string(),
                  .remedy = std::string(row.remedy)};
    }
  }
}

void refuse_unfetched(const FileSystem& files, const std::filesystem::path& path) {
  const MappedFile file = files.map_readonly(path);
  const auto bytes = file.bytes().first(std::min(longest_start, file.bytes().size()));
  refuse_unfetched({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, path.string());
}

}  // namespace cce
