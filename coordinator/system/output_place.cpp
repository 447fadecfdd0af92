#include "coordinator/system/output_place.h"

#include <sys/stat.h>

#include <algorithm>
#include <system_error>

#include "common/base/error.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr int most_links = 40;

fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

Error no_place(const fs::path& output, const std::string& found) {
  return Error{.code = ErrorCode::impossible_combination,
               .where = "output " + output.string(),
               .found = found,
               .expected = "a new or empty folder, or an earlier result",
               .remedy = "Choose another --out"};
}

}  // namespace

std::string OutputPlace::scratch_prefix(const std::string& kind) const {
  std::string prefix;
  if (!exists) {
    prefix.append(".").append(folder.filename().string());
  }
  return prefix.append(".cce-").append(kind);
}

OutputPlace find_output_place(const fs::path& output) {
  std::error_code error;
  fs::path path = without_trailing_slash(fs::absolute(output).lexically_normal());
  for (int links = 0;; ++links) {
    if (!path.has_filename()) {
      throw no_place(output, "the root of all folders");
    }
    path = fs::weakly_canonical(path.parent_path(), error) / path.filename();
    if (error || links > most_links) {
      throw no_place(output, error ? error.message() : "links that lead to each other");
    }
    if (!fs::is_symlink(fs::symlink_status(path, error))) {
      return {.folder = path, .exists = fs::is_directory(path, error)};
    }
    const fs::path target = fs::read_symlink(path, error);
    path = without_trailing_slash((path.parent_path() / target).lexically_normal());
  }
}

fs::path existing_ancestor(const fs::path& path) {
  std::error_code ignored;
  fs::path existing = fs::absolute(path).lexically_normal();
  while (!fs::exists(existing, ignored) && existing != existing.parent_path()) {
    existing = existing.parent_path();
  }
  return existing;
}

bool same_file_system(const fs::path& one, const fs::path& other) {
  struct stat first {
  }, second{};
  return ::stat(existing_ancestor(one).c_str(), &first) == 0 &&
         ::stat(existing_ancestor(other).c_str(), &second) == 0 && first.st_dev == second.st_dev;
}

bool is_inside(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

}  // namespace cce
