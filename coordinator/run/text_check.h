#pragma once
#include <filesystem>

#include "common/recipe/job_spec.h"

namespace cce {

/// Refuses a job for what its workers would refuse of its texts in their first stage: lets one read them
/// (cce-worker --check-texts), which is the only program that knows tokenizers. False where that was not found out,
/// and the job's own run tells: the worker cannot be started here, fails itself or is not done after
/// `deadline_seconds`. Its token files lie in a temporary folder that is removed in every case.
/// Errors: those of JobTexts::prepare (malformed_file, unsupported, text_too_short, wrong_type, ...).
bool texts_are_checked(const std::filesystem::path& worker, const JobSpec& spec, double deadline_seconds);

}  // namespace cce
