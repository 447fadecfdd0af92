#include "coordinator/service/path_policy.h"

#include <algorithm>
#include <array>

#include "common/base/error.h"

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

bool is_below(const fs::path& path, const fs::path& root) {
  const auto [root_end, path_end] = std::mismatch(root.begin(), root.end(), path.begin(), path.end());
  return root_end == root.end();
}

}  // namespace

PathPolicy::PathPolicy(const std::vector<fs::path>& roots) {
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
                     [&](const fs::path& root) { return is_below(resolved, root); });
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
  return resolved;
}

namespace {

using Resolve = fs::path (PathPolicy::*)(const std::string&, const std::string&) const;

void resolve_text(const PathPolicy& policy, Resolve resolve, Json& value, const std::string& where) {
  if (value.is_string() && !value.get_ref<const std::string&>().empty()) {
    value = (policy.*resolve)(value.get<std::string>(), where).string();
  }
}

/// A text is a path or {path: …}; a list of texts, or one alone.
void resolve_texts(const PathPolicy& policy, Json& texts, const std::string& where) {
  if (texts.is_object()) {
    if (texts.contains("path")) {
      resolve_text(policy, &PathPolicy::existing, texts["path"], where + ".path");
    }
  } else if (texts.is_array()) {
    for (std::size_t i = 0; i < texts.size(); ++i) {
      resolve_texts(policy, texts[i], where + "[" + std::to_string(i) + "]");
    }
  } else {
    resolve_text(policy, &PathPolicy::existing, texts, where);
  }
}

}  // namespace

void PathPolicy::resolve_recipe(Json& recipe) const {
  if (!recipe.is_object()) {
    return;
  }
  if (recipe.contains("model")) {
    resolve_text(*this, &PathPolicy::existing, recipe["model"], "model");
  }
  if (recipe.contains("output")) {
    resolve_text(*this, &PathPolicy::writable, recipe["output"], "output");
  }
  if (recipe.contains("resources") && recipe["resources"].is_object() &&
      recipe["resources"].contains("container")) {
    resolve_text(*this, &PathPolicy::existing, recipe["resources"]["container"], "resources.container");
  }
  for (const char* section : {"calibration", "evaluate", "finetune"}) {
    if (!recipe.contains(section) || !recipe[section].is_object()) {
      continue;
    }
    for (const char* key : {"text", "tasks", "teacher", "validation"}) {
      if (recipe[section].contains(key)) {
        resolve_texts(*this, recipe[section][key], std::string(section).append(".").append(key));
      }
    }
  }
}

}  // namespace cce
