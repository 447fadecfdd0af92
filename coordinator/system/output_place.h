#pragma once
#include <filesystem>
#include <string>

namespace cce {

/// Where a result goes, links followed, and how it gets there.
struct OutputPlace {
  std::filesystem::path folder;  ///< absolute and without links as far as it exists
  bool exists = false;           ///< a folder is there: it stays the same one and is filled in place

  /// Where work in progress lies: in the folder itself (it may be a mount, or the only place where we may
  /// write), or beside what does not exist yet.
  std::filesystem::path scratch_parent() const { return exists ? folder : folder.parent_path(); }
  /// What the names of its scratch folders begin with; `kind`: "" for deliveries, "fetch-".
  std::string scratch_prefix(const std::string& kind) const;
  /// The same place as it was before the folder came.
  OutputPlace as_new() const { return {.folder = folder, .exists = false}; }
};

/// A link at the end of `output` is followed, dangling or not. Errors: impossible_combination for links
/// without end and for the root of all folders.
OutputPlace find_output_place(const std::filesystem::path& output);

/// The nearest folder upwards, `path` itself included, that exists.
std::filesystem::path existing_ancestor(const std::filesystem::path& path);

/// Whether what would be written at the two paths shares its free space. Either may not exist yet.
bool same_file_system(const std::filesystem::path& one, const std::filesystem::path& other);

/// Whether `path` is `folder` or lies in it; both resolved.
bool is_inside(const std::filesystem::path& path, const std::filesystem::path& folder);

}  // namespace cce
