#pragma once
#include <cstdint>
#include <optional>

#include "common/base/error.h"
#include "common/base/file.h"

namespace cce {

/// JOB/logs/attempt-N.rank-R.json: why rank R ended, written before any other rank hears of it. The first rank
/// that ends takes all others with it, rank 0 among them, perhaps before it has written its last event: then
/// this says what was wrong. Errors of the writing calls: disk_full, io_failure.

/// Removes what an earlier start of the same attempt left. Before any rank can fail: called by rank 0.
void clear_rank_errors(FileSystem& files, const FileSystem::Path& root, std::int64_t attempt);

void write_rank_error(FileSystem& files, const FileSystem::Path& root, std::int64_t attempt, int rank,
                      const Error& error);

/// The cause of an attempt's end: of the lowest rank whose error does not follow from another's; else of the
/// lowest rank; nothing where no rank wrote one that can be read.
std::optional<Error> find_rank_error(const FileSystem& files, const FileSystem::Path& root,
                                     std::int64_t attempt);

/// Whether an error is only what a rank sees of another's end.
bool follows_from_another(const Error& error);

}  // namespace cce
