#include "coordinator/service/path_policy.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/recipe/recipe_keys.h"
#include "coordinator/system/output_place.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

Error outside(const std::string& path, const std::string& where) {
  return Error{.code = ErrorCode::out_of_range,
               .where = where,
               .found = path,
               .expected = "a path below one of the folders that this server may use",
               .remedy = "The server's --root says which folders those are."};
}

/// Text that can be a path: not empty, no zero byte, not longer than the system takes.
void check_text(const std::string& path, const std::string& where) {
  constexpr std::size_t longest = 4000;
  if (path.empty() || path.size() > longest || path.find('\0') != std::string::npos) {
    throw outside(path.substr(0, 60), where);
  }
}

}  // namespace

PathPolicy::PathPolicy(const std::vector<fs::path>& roots, const fs::path& kept)
    : kept_(kept.empty() ? kept : find_output_place(kept).folder) {
  for (const fs::path& root : roots) {
    std::error_code error;
    const fs::path resolved = fs::canonical(root, error);
    if (error || !fs::is_directory(resolved)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = "--root " + root.string(),
                  .found = "no such folder",
                  .expected = "a folder",
                  .remedy = "Make it, or name another."};
    }
    roots_.push_back(resolved);
  }
}

bool PathPolicy::is_below_a_root(const fs::path& resolved) const {
  return std::any_of(roots_.begin(), roots_.end(),
                     [&](const fs::path& root) { return is_inside(resolved, root); });
}

std::vector<fs::path> PathPolicy::candidates(const std::string& path, const std::string& where) const {
  check_text(path, where);
  if (fs::path(path).is_absolute()) {
    return {fs::path(path)};
  }
  std::vector<fs::path> found;
  for (const fs::path& root : roots_) {
    found.push_back(root / path);
  }
  return found;
}

fs::path PathPolicy::existing(const std::string& path, const std::string& where) const {
  bool inside = false;
  for (const fs::path& candidate : candidates(path, where)) {
    std::error_code error;
    const fs::path resolved = fs::weakly_canonical(candidate, error);
    if (error || !is_below_a_root(resolved)) {
      continue;
    }
    inside = true;
    if (fs::exists(resolved, error)) {
      return resolved;
    }
  }
  if (!inside) {
    throw outside(path, where);
  }
  throw Error{.code = ErrorCode::missing_file,
              .where = where,
              .found = "nothing at " + path,
              .expected = "a file or folder on the server",
              .remedy = "Paths in a recipe are the server's, not yours."};
}

fs::path PathPolicy::writable(const std::string& path, const std::string& where) const {
  const fs::path candidate = candidates(path, where).empty() ? fs::path() : candidates(path, where).front();
  std::error_code error;
  const fs::path resolved = fs::weakly_canonical(candidate, error);
  const bool is_a_root = std::find(roots_.begin(), roots_.end(), resolved) != roots_.end();
  // What does not exist yet stays as written: a dangling link there would lead anywhere.
  bool has_dangling_link = false;
  for (fs::path step = resolved; step.has_relative_path(); step = step.parent_path()) {
    has_dangling_link = has_dangling_link || (fs::is_symlink(fs::symlink_status(step, error)));
  }
  if (candidate.empty() || is_a_root || has_dangling_link || !is_below_a_root(resolved)) {
    throw outside(path, where);
  }
  if (!kept_.empty() && (is_inside(resolved, kept_) || is_inside(kept_, resolved))) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = where,
                .found = path + ", where this server keeps its jobs",
                .expected = "a folder apart from the server's data",
                .remedy = "Choose another folder."};
  }
  return resolved;
}

void PathPolicy::resolve_recipe(Json& recipe) const {
  visit_paths(recipe, [this](std::string& path, KeyPath kind, const std::string& where) {
    path = (kind == KeyPath::writable ? writable(path, where) : existing(path, where)).string();
  });
}

}  // namespace cce
