#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "coordinator/command/job_options.h"
#include "coordinator/run/job_creation.h"
#include "coordinator/terminal/surroundings.h"

namespace cce {

/// What compress, analyze and evaluate share: a new job for some stages, run here and followed to its end.
void run_new_job(const std::string& command, const RecipeOptions& recipe, const RunOptions& run,
                 const std::vector<Stage>& stages, const Surroundings& surroundings);

/// Starts the next attempt at a job, follows it, and finishes it.
void run_attempt(FileSystem& files, JobDir& job, const RunOptions& run, const Surroundings& surroundings,
                 std::chrono::steady_clock::time_point started);

}  // namespace cce
