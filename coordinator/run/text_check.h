#pragma once
#include <filesystem>

#include "common/recipe/job_spec.h"

namespace cce {

/// Refuses a job for what its workers would refuse of its texts in their first stage: lets one read them
/// (cce-worker --check-texts), which is the only program that knows tokenizers. A check only: where the worker
/// cannot be started here, fails itself or is not done after `deadline_seconds`, the job's own run tells.
/// Errors: those of JobTexts::prepare (malformed_file, unsupported, text_too_short, wrong_type, ...).
void check_texts(const std::filesystem::path& worker, const JobSpec& spec, double deadline_seconds);

}  // namespace cce
