#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/job/job_dir.h"
#include "common/job/partition.h"
#include "common/recipe/job_spec.h"
#include "coordinator/forecast/checkpoint_facts.h"
#include "coordinator/forecast/partitioner.h"
#include "coordinator/system/delivery.h"

namespace cce {

/// A job that has been checked as far as that is possible without computing, and not written yet.
struct PreparedJob {
  JobSpec spec;  ///< threads and output filled in
  CheckpointFacts checkpoint;
  std::vector<std::string> warnings;  ///< what the user should know before it runs; its workers say it too
  CheckpointSize size;
  Partition partition;
};

/// Checks texts, checkpoint and target against each other and makes the partition.
///   1. every text is there, and there is one where a stage needs it   2. the checkpoint's config and headers
///   3. threads: the recipe's, else cores / ranks on a node   4. the partition with its forecast
///   5. where the recipe has `from`: whether that job's statistics are of this one's kind
/// Errors: missing_file, out_of_range, does_not_fit; those of inspect_checkpoint, make_partition and
/// check_statistics.
PreparedJob prepare_job(FileSystem& files, JobSpec spec, const Machine& machine, const MachineRates* rates);

/// Writes the job directory, with both checkpoints' digests in spec.json, the resolved recipe in recipe.yaml
/// and the statistics that it starts from. Errors: disk_full before anything is written where the job cannot
/// fit at its widest moment (disk_forecast.h); out_of_range for a weight that nothing can be computed with
/// (weight_check.h); those of check_statistics and JobDir::create.
JobDir create_job(FileSystem& files, const std::filesystem::path& root, PreparedJob& job);

/// What the delivery of a job's result must not touch: its folder and all that it reads.
DeliveryGuards delivery_guards(const std::filesystem::path& root, const JobSpec& spec);

/// Where a job goes without --job: beside its output as OUT.job; without an output in ./cce-jobs/KIND. The
/// first of NAME, NAME-2, NAME-3 … that is not there.
std::filesystem::path default_job_root(const JobSpec& spec, const std::filesystem::path& current_folder);

/// Where a job's checkpoints lie now; empty: where they were.
struct MovedCheckpoints {
  std::string model = {}, teacher = {};
};

/// The job at `root`, to be run: its model and, where it is fine-tuned against another checkpoint, its
/// teacher are those that it was made for; spec.json says where they are now. Errors: missing_file for a job
/// or a checkpoint that is not there; digest_mismatch for another checkpoint; impossible_combination for a
/// moved teacher of a job that has none.
JobDir open_job(FileSystem& files, const std::filesystem::path& root, const MovedCheckpoints& moved = {});

/// The job at `root`, to be read: its model is checked, and no teacher needed. Errors: as open_job.
JobDir open_finished_job(FileSystem& files, const std::filesystem::path& root);

/// SHA-256 of what decides a checkpoint's output: config, weights and tokenizer files.
std::string checkpoint_digest(const FileSystem& files, const std::filesystem::path& folder);

}  // namespace cce
