#pragma once
#include <filesystem>

#include "common/base/file.h"

namespace cce {

/// Makes `to` a file of its own with the bytes of `from`, synced: by sharing blocks where the file system can
/// (each side gets blocks of its own when it is written), else by copying. Never a hard link: whoever changes
/// one file leaves the other as it was. Errors: those of FileSystem.
void copy_file(FileSystem& files, const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cce
