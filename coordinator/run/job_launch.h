#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "common/base/file.h"
#include "common/recipe/job_spec.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// cce-ID-ATTEMPT: what the scheduler knows an attempt by.
std::string run_name(const std::string& id, std::int64_t attempt);

/// What of a job decides its launch.
struct LaunchInputs {
  JobSpec spec;
  Partition partition;
};

/// The job directory at `root`, ready for an attempt: made of `prepared` where it is not there yet, else checked
/// against the model's digest. May be repeated after a crash. Errors: those of prepared, create_job, open_job.
LaunchInputs ready_directory(FileSystem& files, const std::filesystem::path& root,
                             const std::function<PreparedJob&()>& prepared);

/// Of a job directory that is there.
LaunchInputs read_launch_inputs(FileSystem& files, const std::filesystem::path& root);

/// What a scheduler is told of an attempt at the job in `root`; with the numeric variables of this process's
/// environment, so that a job computes the same wherever it is started.
Launch launch_of(const JobSpec& spec, const Partition& partition, const std::filesystem::path& root,
                 const std::filesystem::path& worker, const std::string& name, std::int64_t attempt);

}  // namespace cce
