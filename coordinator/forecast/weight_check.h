#pragma once
#include <filesystem>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// Reads every weight of the job's model, and of its teacher where it trains with one, so that a value
/// with which nothing can be computed, or which the result could not hold, is refused before any work. Reads
/// each file once, front to back, as fast as the disk gives it.
/// Errors: out_of_range with file, tensor, index and count for a NaN, an infinity, or, where the job exports
/// the model, a magnitude that export.dtype rounds to infinity; those of the header's parser.
void check_weights(const FileSystem& files, const JobSpec& spec);

}  // namespace cce
