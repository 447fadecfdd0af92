#pragma once
#include <filesystem>
#include <string>

#include "coordinator/forecast/partitioner.h"

namespace cce {

/// What `cce-worker --probe` prints with OMP_NUM_THREADS=threads: see parse_rates.
/// Errors: missing_file without a worker; worker_died; deadline_exceeded after a minute.
std::string probe_text(const std::filesystem::path& worker, std::int64_t threads);

}  // namespace cce
