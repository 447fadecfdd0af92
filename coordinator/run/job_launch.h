#pragma once
#include <filesystem>
#include <string>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/system/machine.h"

namespace cce {

/// cce-ID-ATTEMPT: what the scheduler knows an attempt by.
std::string run_name(const std::string& id, std::int64_t attempt);

/// The job directory of a resolved job, ready for an attempt: made where it is not there yet, else checked
/// against the model's digest. May be repeated after a crash. Errors: those of prepare_job, create_job,
/// open_job.
void prepare_directory(FileSystem& files, const std::filesystem::path& root, const std::string& spec,
                       const Machine& machine);

/// What a scheduler is told of an attempt at the job in `root`.
Launch launch_of(FileSystem& files, const std::filesystem::path& root, const std::filesystem::path& worker,
                 const std::string& name, std::int64_t attempt);

}  // namespace cce
