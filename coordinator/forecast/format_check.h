#pragma once
#include "common/base/file.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// Refuses, before any work, a model that the job's format cannot carry: its family or shapes, or a file that has to
/// go into the result and cannot (a tokenizer inside a GGUF file). Passes jobs that export nothing. Errors:
/// impossible_combination, unsupported, missing_file, those of what reads the files.
void check_format_files(const FileSystem& files, const JobSpec& spec);

}  // namespace cce
