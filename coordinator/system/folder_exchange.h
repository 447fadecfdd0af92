#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"

namespace cce {

/// The folder in a scratch folder that holds what is to come.
inline constexpr const char* incoming_name = "new";

/// Every entry below `folder` that is no folder itself, links not followed and this program's scratch folders
/// left out; relative, sorted. Folders that may not be read are passed over. Errors: io_failure.
std::vector<std::string> entries_inside(const FileSystem& files, const std::filesystem::path& folder);

/// Puts the files of SCRATCH/new into `folder` in place of all that is there; `scratch` lies in `folder`. The
/// folder itself stays, and nothing but files is renamed, so that a mount, a link's target and a layer of a
/// container image are folders like others. In between it is no checkpoint rather than a mixed one:
/// config.json is the first file to go and the last to come.
///   1. sync SCRATCH/new   2. write SCRATCH/journal.json   3. move what is there to SCRATCH/old
///   4. move SCRATCH/new in   5. sync   6. remove the journal
/// An error in 2 to 5 moves everything back. After an interrupt, finish_exchange does the rest; a failure to
/// move back is left to it, too: while the exchange is unfinished, SCRATCH must stay. Errors: those of
/// FileSystem.
void exchange_files(FileSystem& files, const std::filesystem::path& folder,
                    const std::filesystem::path& scratch);

bool exchange_is_unfinished(const FileSystem& files, const std::filesystem::path& scratch);

/// Carries an exchange that has its journal to its end. Without a journal nothing happens: the folder is as
/// it was, or complete.
void finish_exchange(FileSystem& files, const std::filesystem::path& folder,
                     const std::filesystem::path& scratch);

}  // namespace cce
