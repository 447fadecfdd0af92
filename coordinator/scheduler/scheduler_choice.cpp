#include "coordinator/scheduler/scheduler_choice.h"

#include "common/base/error.h"
#include "common/base/nearest_name.h"
#include "coordinator/scheduler/local_scheduler.h"
#include "coordinator/scheduler/slurm_scheduler.h"

namespace cce {
namespace {

constexpr std::int64_t most_running_locally = 1;
constexpr std::int64_t most_in_slurm = 100;

}  // namespace

std::int64_t most_running_of(const SchedulerChoice& choice) {
  return choice.most_running.value_or(choice.name == "slurm" ? most_in_slurm : most_running_locally);
}

std::unique_ptr<Scheduler> make_scheduler(const SchedulerChoice& choice, FileSystem& files) {
  if (choice.name == "slurm") {
    SlurmOptions options;
    options.profile = choice.profile;
    return std::make_unique<SlurmScheduler>(files, options);
  }
  if (choice.name != "local") {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "--scheduler",
                .found = choice.name,
                .expected = "local or slurm",
                .remedy = did_you_mean(choice.name, {"local", "slurm"})};
  }
  if (choice.profile) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "--slurm-profile",
                .found = "the scheduler local",
                .expected = "--scheduler slurm",
                .remedy = "Leave it out, or choose Slurm"};
  }
  return std::make_unique<LocalScheduler>(
      files, LocalSchedulerOptions{
                 .folder = choice.runs, .launcher = choice.launcher, .most_runs = most_running_of(choice)});
}

}  // namespace cce
