#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "coordinator/system/output_place.h"
#include "coordinator/system/scratch_folder.h"

namespace cce {

/// What must not be touched by a delivery.
struct DeliveryGuards {
  std::filesystem::path job = {};                  ///< no output is it, in it or around it; empty: none
  std::vector<std::filesystem::path> inputs = {};  ///< no output is one of them, or around one
};

/// Throws what deliver_result would as far as that can be told: asked before the work starts. First ends a
/// delivery to `output` that an earlier process left half done, then checks, and writes and removes a folder
/// where the result will go. Refused, with the reason and what to do:
///   - an output in, at or around a job folder or a server's data; at or around an input; with force, too
///   - a file, or a folder that holds anything but a result as it was delivered (its SHA256SUMS tells): what
///     was added or changed is named. With force it would be replaced
///   - one where we may not write (disk_full where there is no room for a folder)
/// Errors: impossible_combination unless said otherwise; job_locked where another process delivers to it at
/// this moment.
void check_deliverable(FileSystem& files, const std::filesystem::path& output, bool force,
                       const DeliveryGuards& guards = {});

/// Puts a copy of `result` at `output`; no file is shared. A folder that exists is filled in place
/// (folder_exchange.h), links are followed; a new one appears whole or not at all: 1. copied to a scratch
/// folder beside it and synced 2. renamed. Nothing that this program did not make is removed without `force`.
/// Errors: as check_deliverable; those of FileSystem. After each `output` is as it was.
void deliver_result(FileSystem& files, const std::filesystem::path& result,
                    const std::filesystem::path& output, bool force);

/// The scratch folders of this kind (OutputPlace) that earlier processes left for `place`: in it, and beside it
/// from before it was there; each taken over.
std::vector<ScratchFolder> abandoned_for(FileSystem& files, const OutputPlace& place,
                                         const std::string& kind);

/// The last step of a delivery: SCRATCH/new, whose files are synced, becomes what `place` holds, and
/// `scratch` is removed. Errors: job_locked where another process does the same at this moment; those of
/// FileSystem; SCRATCH/new is then as it was.
void put_in_place(FileSystem& files, ScratchFolder& scratch, const OutputPlace& place, bool force);

/// What tells one delivered result from the next; empty where `output` holds none.
std::string delivered_identity(const FileSystem& files, const std::filesystem::path& output);

}  // namespace cce
