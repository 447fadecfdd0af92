#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/json_reader.h"

namespace cce {

/// The folders that requests may name files in. Symbolic links are resolved before comparing, so that a link
/// inside a root that leads out of it is refused. Immutable: threads may share it.
class PathPolicy {
 public:
  /// `roots` must exist. Nothing may be written in, at or around `kept`, the server's own data; empty: none.
  /// Errors: missing_file.
  explicit PathPolicy(const std::vector<std::filesystem::path>& roots,
                      const std::filesystem::path& kept = {});

  /// The resolved, absolute path of something that exists below a root (a root itself is fine); relative
  /// paths are looked up in each root in turn. `where` is the key path. Errors: out_of_range, the same for a
  /// path outside of every root whether it exists or not; missing_file for one inside that does not exist.
  std::filesystem::path existing(const std::string& path, const std::string& where) const;

  /// The same for something to be written: what exists of it is resolved, the rest must be plain names.
  /// Errors: out_of_range, also for the server's own data.
  std::filesystem::path writable(const std::string& path, const std::string& where) const;

  /// Replaces every path of a recipe (the keys with a KeyPath) by its resolved form. Values of other types are
  /// left for parse_job_spec to refuse.
  void resolve_recipe(Json& recipe) const;

  const std::vector<std::filesystem::path>& roots() const { return roots_; }

 private:
  bool is_below_a_root(const std::filesystem::path& resolved) const;
  std::vector<std::filesystem::path> candidates(const std::string& path, const std::string& where) const;
  std::vector<std::filesystem::path> roots_;
  std::filesystem::path kept_;
};

}  // namespace cce
