#pragma once
#include <chrono>

#include "coordinator/command/job_options.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/terminal/surroundings.h"

namespace cce {

/// What compress, analyze, evaluate and finetune share: a new job, run here and followed to its end.
void run_new_job(JobKind kind, const RecipeOptions& recipe, const RunOptions& run,
                 const Surroundings& surroundings);

/// Starts the next attempt at a job, follows it, and finishes it.
void run_attempt(FileSystem& files, JobDir& job, const RunOptions& run, const Surroundings& surroundings,
                 std::chrono::steady_clock::time_point started);

}  // namespace cce
