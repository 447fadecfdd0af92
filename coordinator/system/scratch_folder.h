#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// A folder for work in progress, in the folder where its content will end up: PREFIX and ten random letters,
/// so that it never meets a name of somebody else's. The file `made-by-cce` in it marks it as this program's
/// and is locked as long as a process works in it. What a process leaves here when it dies is found again by
/// prefix and mark. Destruction leaves the folder. Movable; not thread-safe.
class ScratchFolder {
 public:
  /// Errors: those of FileSystem.
  static ScratchFolder make(FileSystem& files, const std::filesystem::path& parent,
                            const std::string& prefix);

  const std::filesystem::path& path() const { return path_; }
  /// Removes it, its mark last: what an interrupt leaves is still known as ours. No other call may follow.
  void remove(FileSystem& files);

 private:
  friend std::vector<ScratchFolder> abandoned_scratch(FileSystem&, const std::filesystem::path&,
                                                      const std::string&);
  ScratchFolder(std::filesystem::path path, std::unique_ptr<FileLock> lock);

  std::filesystem::path path_;
  std::unique_ptr<FileLock> lock_;
};

/// Those in `parent` with this prefix that no process works in, each taken over. Empty where there is no such
/// folder or it cannot be read.
std::vector<ScratchFolder> abandoned_scratch(FileSystem& files, const std::filesystem::path& parent,
                                             const std::string& prefix);

/// Whether `folder` is such a folder, of any prefix, in use or not.
bool is_scratch(const FileSystem& files, const std::filesystem::path& folder);

}  // namespace cce
