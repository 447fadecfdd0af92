#pragma once
#include <filesystem>

namespace cce {

/// Copies a folder whole, by hard links where both lie on one file system (what a job writes is replaced,
/// never changed in place) and by bytes elsewhere. `target` must not exist. Errors: disk_full, io_failure.
void copy_tree(const std::filesystem::path& source, const std::filesystem::path& target);

/// Puts a copy of `result` at `output`, whole or not at all: copied beside it, synced by name, then renamed.
/// An `output` that exists is replaced only if it is empty, holds an earlier result of ours (a report.json
/// beside plan.json or recipe.yaml), or `force` is set. Errors: impossible_combination for a folder that is
/// not ours; disk_full, io_failure.
void deliver_result(const std::filesystem::path& result, const std::filesystem::path& output, bool force);

/// Throws what deliver_result would, without touching anything: asked before the work starts.
void check_deliverable(const std::filesystem::path& output, bool force);

}  // namespace cce
