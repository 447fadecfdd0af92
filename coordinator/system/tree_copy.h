#pragma once
#include <filesystem>

namespace cce {

/// Copies a job's folder whole into another job, by hard links where both lie on one file system (what a job
/// writes is replaced, never changed in place) and by bytes elsewhere. Not for folders that users write.
/// `target` must not exist. Errors: disk_full, io_failure.
void copy_tree(const std::filesystem::path& source, const std::filesystem::path& target);

}  // namespace cce
