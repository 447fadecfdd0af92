#pragma once
#include <string>
#include <string_view>

#include "common/base/file.h"

namespace cce {

/// Refuses what a download leaves in place of a file's content: a Git LFS pointer (three lines that name the
/// content, as Git LFS' specification has them) or a web page. `start`: the file's first bytes, a hundred are
/// enough. `where`: the file. Errors: malformed_file.
void refuse_unfetched(std::string_view start, const std::string& where);

/// The same for a file that is there. Reads its first page.
void refuse_unfetched(const FileSystem& files, const std::filesystem::path& path);

}  // namespace cce
