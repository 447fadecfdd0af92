#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// slurm/job.sbatch.in as it was at build time. Alive for the whole program.
std::string_view slurm_job_template();

/// The batch script of a run: the template with its {{NAMES}} replaced. `profile` is the site's own file,
/// sourced before the workers start (network, MPI and NCCL settings); nothing: none.
///   - directives: name, nodes, ranks at most ceil(ranks / nodes) on a node, threads, memory per core, GPUs
///     per rank, time limit in whole minutes (rounded up), partition, account, qos, constraint; --requeue;
///     USR1 to the batch script 120 s before the limit, or a quarter of the limit where that is less
///   - environment modules after the profile, then the launch's variables: what a user set for the server
///     outlives what the site sets; a container image through Apptainer, whose own cce-worker runs
/// Every value must match its grammar before it becomes part of a line, so that none can end a directive or a
/// quoted word. Pure. Errors: unsupported for a value outside its grammar (where: the recipe's key or the
/// variable), or for cores that are bound by hand; impossible_combination for fewer ranks than nodes.
std::string render_slurm_script(const Launch& launch, const std::optional<std::filesystem::path>& profile);

/// What the template's exit status 124 says: nothing was finished between a start and its time limit.
constexpr int slurm_no_time_status = 124;

}  // namespace cce
