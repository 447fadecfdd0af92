#pragma once
#include "common/job/partition.h"
#include "common/recipe/job_spec.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// What a job's recipe and partition ask of a scheduler; name, job_dir, worker, attempt and binding are the
/// caller's. Pure.
///   - ranks: the partition's; threads: the recipe's, 1 where it leaves them open
///   - GPUs only with device cuda
///   - memory of a rank, its node's: the recipe's, else the largest forecast and a quarter of it for what no
///     forecast sees (MPI's buffers, libraries, text); with device cuda, where the recipe's is the GPU's,
///     always the forecast of the host's memory and a quarter; none where the partition has no such forecast
///   - time limit and the names that only clusters know, as the recipe has them
Launch launch_request(const JobSpec& spec, const Partition& partition);

}  // namespace cce
