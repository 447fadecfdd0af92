#pragma once
#include "common/base/file.h"
#include "common/job/partition.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// A job that starts from the statistics of another (the recipe's `from`): calibrate is not run, and analyze
/// only where the other job did not measure what this one's target or structures need. Targets, formats and
/// all that follows may differ; the result is that of a run of its own, byte for byte.

/// Refuses what can be told before anything runs; what decides the statistics besides (texts, precision,
/// numerics, build) the workers compare, and the model where its digest is not known yet. spec.from is set.
/// Errors: missing_file where there is no such job, or it kept no statistics; impossible_combination, naming
/// the keys that differ.
void check_statistics(FileSystem& files, const JobSpec& spec, const Partition& partition);

/// Gives a new job the other's states of calibrate and analyze, as links where both lie on one file system.
/// Errors: disk_full, io_failure.
void share_statistics(FileSystem& files, const JobSpec& spec, const FileSystem::Path& state_root);

}  // namespace cce
