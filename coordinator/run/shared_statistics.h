#pragma once
#include "common/job/job_dir.h"
#include "coordinator/run/job_creation.h"

namespace cce {

/// A job that starts from the statistics of another: calibrate is not run, and analyze only where the other
/// job did not measure what this one's target or structures need. Targets, formats and all that follows may
/// differ; the result is that of a run of its own, byte for byte.

/// Refuses what can be told before anything runs; what decides the statistics besides (texts, precision,
/// numerics, build) the workers compare. Fills in the model's digest. Errors: missing_file where `source`
/// kept no statistics; impossible_combination, naming the keys that differ.
void check_statistics(const FileSystem& files, const JobDir& source, PreparedJob& prepared);

/// Gives a new job the other's states of calibrate and analyze, as links where both lie on one file system,
/// and says where they are from. Errors: disk_full, io_failure.
void share_statistics(const FileSystem& files, const JobDir& source, JobDir& job);

}  // namespace cce
