#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "common/base/file.h"
#include "coordinator/scheduler/scheduler.h"

namespace cce {

/// Which scheduler a server uses and what it needs to know.
struct SchedulerChoice {
  std::string name = "local";                    ///< or slurm
  std::optional<std::filesystem::path> profile;  ///< slurm: the site's file, absolute
  std::optional<std::int64_t> most_running;      ///< nothing: 1 locally, 100 in Slurm's queue
  std::filesystem::path runs;                    ///< local: the folder of run records
  std::filesystem::path launcher;                ///< local: the program cce
};

std::int64_t most_running_of(const SchedulerChoice& choice);

/// Errors: out_of_range for another name; impossible_combination for a profile without Slurm; those of the
/// schedulers' constructors. `files` must outlive it.
std::unique_ptr<Scheduler> make_scheduler(const SchedulerChoice& choice, FileSystem& files);

}  // namespace cce
