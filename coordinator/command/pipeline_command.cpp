#include "coordinator/command/pipeline_command.h"

#include "common/base/number_format.h"
#include "coordinator/run/finish_job.h"
#include "coordinator/run/run_job.h"
#include "coordinator/scheduler/launch_request.h"
#include "coordinator/scheduler/local_scheduler.h"
#include "coordinator/system/delivery.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;

/// An attempt that ended before its workers took the job has left its name, and the number is still free.
std::string unused_run_name(Scheduler& scheduler, std::int64_t attempt) {
  const std::string name = std::string("attempt-").append(std::to_string(attempt));
  std::string unused = name;
  for (int start = 2; scheduler.find(unused); ++start) {
    unused = name + "-" + std::to_string(start);
  }
  return unused;
}

/// A recipe's output is the place of a checkpoint: a job that makes none leaves what is there alone, and says so.
void leave_output_alone(JobSpec& spec, std::ostream& err) {
  if (row_of(spec.kind).result == JobResult::report && !spec.output.empty()) {
    err << "note: output " << spec.output << " is left alone: " << row_of(spec.kind).name
        << " makes a report, which stays in the job\n";
    spec.output.clear();
  }
}

/// Before anything is computed. Errors: those of check_deliverable.
void check_output(FileSystem& files, const fs::path& root, const JobSpec& spec, bool force) {
  if (!spec.output.empty()) {
    check_deliverable(files, spec.output, force, delivery_guards(root, spec));
  }
}

}  // namespace

void run_new_job(JobKind kind, const RecipeOptions& recipe, const RunOptions& run,
                 const Surroundings& surroundings) {
  const SteadyClock::time_point started = SteadyClock::now();
  PosixFileSystem files;
  JobSpec spec = resolve_job(recipe, kind, surroundings.current_folder);
  leave_output_alone(spec, surroundings.err);
  PreparedJob prepared = prepare_job(files, std::move(spec), inspect_machine(), nullptr);
  check_local_launch(launch_request(prepared.spec, prepared.partition));
  const fs::path root = run.job.empty() ? default_job_root(prepared.spec, surroundings.current_folder)
                                        : (surroundings.current_folder / run.job).lexically_normal();
  check_output(files, root, prepared.spec, run.force);
  JobDir job = create_job(files, root, prepared);
  run_attempt(files, job, run, surroundings, started);
}

void run_attempt(FileSystem& files, JobDir& job, const RunOptions& run, const Surroundings& surroundings,
                 SteadyClock::time_point started) {
  const JobSpec spec = job.read_spec();
  check_output(files, job.root(), spec, run.force);
  const std::string before = spec.output.empty() ? "" : delivered_identity(files, spec.output);
  ProgressStyle style = surroundings.style;
  style.quiet = run.quiet;
  job.clear_cancel();
  {
    Progress progress(surroundings.err, style, stage_names_of(spec));
    progress.note(std::string("job ").append(job.root().string()));
    LocalScheduler scheduler(
        files,
        {.folder = job.root() / "control", .launcher = surroundings.program_folder / "cce", .most_runs = 1});
    SignalInbox signals;
    Launch launch = launch_request(spec, job.read_partition());
    launch.time_limit_seconds.reset();  // run_job keeps it: it stops at a safe point
    launch.attempt = job.recorded_attempt() + 1;
    launch.name = unused_run_name(scheduler, launch.attempt);
    launch.job_dir = job.root();
    launch.worker = worker_program(run.worker, surroundings);
    launch.binding = run.binding;
    const auto limit =
        static_cast<double>(parse_duration_seconds(spec.resources.time_limit, "resources.time_limit"));
    run_job(job, scheduler, launch, progress, signals,
            {.run_seconds = limit, .cancel_seconds = run.grace_seconds});
  }
  const double seconds = std::chrono::duration<double>(SteadyClock::now() - started).count();
  finish_job(files, job, surroundings,
             {.force = run.force,
              .expected = before,
              .remedy = "Copy it from there, or put that right and deliver it with 'cce resume " +
                        job.root().string() + "'"},
             run.json, seconds);
}

}  // namespace cce
