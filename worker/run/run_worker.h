#pragma once
#include <cstdint>
#include <string>

namespace cce {

/// One rank's whole life: takes part in the job of `job_folder` as `attempt`, under MPI. Returns the exit
/// code; a failure has then been written as an event by rank 0 and has ended the other ranks.
int run_worker(const std::string& job_folder, std::int64_t attempt, int threads);

}  // namespace cce
