#include "coordinator/scheduler/slurm_scheduler.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "common/base/error.h"
#include "coordinator/scheduler/slurm_script.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr double poll_seconds = 1.0;
/// A submission that was cut off is in the controller's hands or gone after its own message timeout.
constexpr double settle_seconds = 15.0;
constexpr const char* unknown_job = "Invalid job id specified";
constexpr const char* refused_for_good = "submission failed: ";

/// What sbatch says where the controller, not the request, is the trouble.
constexpr std::array<std::string_view, 7> passing_troubles{
    "Unable to contact slurm controller", "Socket timed out",   "Zero Bytes were transmitted",
    "Communication connection failure",   "temporarily unable", "Resource temporarily unavailable",
    "Protocol authentication error"};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string last_words(const ProgramResult& result) {
  std::string words = result.errors.empty() ? result.output : result.errors;
  while (words.ends_with('\n')) {
    words.pop_back();
  }
  return words.empty() ? "no words" : words;
}

[[noreturn]] void fail(const std::string& program, const ProgramResult& result) {
  throw Error{.code = ErrorCode::io_failure,
              .where = program,
              .found = last_words(result),
              .expected = "an answer from Slurm's controller",
              .remedy = "Check it with 'scontrol ping'"};
}

[[noreturn]] void refuse_submission(const ProgramResult& result) {
  const std::string& words = result.errors;
  const bool passing = std::any_of(passing_troubles.begin(), passing_troubles.end(),
                                   [&](std::string_view trouble) { return contains(words, trouble); });
  if (passing || !contains(words, refused_for_good)) {
    fail("sbatch", result);
  }
  const bool too_large = contains(words, "node configuration is not available") ||
                         contains(words, "More processors requested") ||
                         contains(words, "Node count specification invalid");
  throw Error{.code = too_large ? ErrorCode::does_not_fit : ErrorCode::out_of_range,
              .where = "resources, as Slurm sees them",
              .found = last_words(result),
              .expected = "what a partition of this cluster offers",
              .remedy = "Compare with 'sinfo' and 'scontrol show partition'"};
}

[[noreturn]] void refuse_id(const std::string& id) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "SlurmScheduler",
              .found = "run '" + id + "'",
              .expected = "the number of a job that Slurm still knows",
              .remedy = "Resume the job if its run is gone."};
}

RunEnd end_of(const SlurmJobRecord& record) {
  static const std::map<std::string, RunEnd> ends{
      {"CANCELLED", RunEnd::cancelled},         {"PREEMPTED", RunEnd::cancelled},
      {"TIMEOUT", RunEnd::timed_out},           {"DEADLINE", RunEnd::timed_out},
      {"NODE_FAIL", RunEnd::node_failed},       {"BOOT_FAIL", RunEnd::node_failed},
      {"LAUNCH_FAILED", RunEnd::node_failed},   {"RECONFIG_FAIL", RunEnd::node_failed},
      {"OUT_OF_MEMORY", RunEnd::out_of_memory}, {"REVOKED", RunEnd::vanished}};
  const auto named = ends.find(record.state);
  if (named != ends.end()) {
    return named->second;
  }
  if (record.exit_status == slurm_no_time_status) {
    return RunEnd::timed_out;
  }
  return record.signal != 0 ? RunEnd::signalled : RunEnd::exited;
}

}  // namespace

RunState run_state_of(const SlurmJobRecord& record) {
  const SlurmPhase phase = phase_of_state(record.state, "scontrol show job");
  RunState run;
  run.reason = record.reason == "None" ? record.state : record.state + ", " + record.reason;
  if (phase != SlurmPhase::ended) {
    run.phase = phase == SlurmPhase::waiting ? RunPhase::waiting : RunPhase::running;
    return run;
  }
  run.phase = RunPhase::ended;
  run.end = end_of(record);
  if (run.end == RunEnd::signalled) {
    run.signal = record.signal;
  } else if (run.end == RunEnd::exited) {
    // A job that Slurm could not launch has failed with status 0.
    run.exit_status = record.state == "COMPLETED" ? record.exit_status : std::max(record.exit_status, 1);
  }
  return run;
}

SlurmScheduler::SlurmScheduler(FileSystem& files, SlurmOptions options)
    : files_(files), options_(std::move(options)) {
  for (const char* program : {"sbatch", "squeue", "scontrol", "scancel"}) {
    if (!find_program(program)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = "PATH",
                  .found = std::string("no ") + program,
                  .expected = "Slurm's client programs",
                  .remedy = "On Debian: apt-get install slurm-client; or use --scheduler local"};
    }
  }
  if (options_.profile && !files_.exists(*options_.profile)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = "--slurm-profile",
                .found = "no file " + options_.profile->string(),
                .expected = "a shell file with the site's settings",
                .remedy = "Start from slurm/example-gpu-cluster.profile.sh"};
  }
}

SchedulerTraits SlurmScheduler::traits() const {
  return {.name = "slurm",
          .most_runs = std::nullopt,
          .poll_seconds = poll_seconds,
          .settle_seconds = settle_seconds};
}

ProgramResult SlurmScheduler::ask(std::vector<std::string> arguments) const {
  return run_to_end(arguments, {{"LC_ALL", "C"}}, options_.command_seconds);  // its messages are parsed
}

void SlurmScheduler::check(const Launch& launch) const {
  render_slurm_script(launch, options_.profile);
}

std::string SlurmScheduler::submit(const Launch& launch) {
  const std::string script = render_slurm_script(launch, options_.profile);
  if (!launch.container_image && !files_.exists(launch.worker)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = launch.worker.string(),
                .found = "no program",
                .expected = "cce-worker, at the same place on every node",
                .remedy = "Build all targets, or name it with --worker."};
  }
  const fs::path logs = launch.job_dir / "logs";
  const fs::path path = logs / ("attempt-" + std::to_string(launch.attempt) + ".sbatch");
  files_.make_directory(logs);
  files_.write_atomic(path, script);
  const ProgramResult result = ask({"sbatch", "--parsable", path.string()});
  if (!result.succeeded()) {
    refuse_submission(result);
  }
  return parse_submitted(result.output);
}

std::optional<std::string> SlurmScheduler::find(const std::string& name) {
  check_run_name(name);
  const ProgramResult result =
      ask({"squeue", "--noheader", "--me", "--states=all", "--name=" + name, "--format=%A|%j|%T|%Z"});
  if (!result.succeeded()) {
    fail("squeue", result);
  }
  std::optional<std::string> found;
  for (const SlurmQueueEntry& entry : parse_queue(result.output)) {
    if (entry.name != name) {
      continue;
    }
    if (phase_of_state(entry.state, "squeue") != SlurmPhase::ended) {
      return entry.id;
    }
    found = entry.id;
  }
  return found;
}

RunState SlurmScheduler::state(const std::string& id) {
  if (!is_job_number(id)) {
    refuse_id(id);
  }
  const ProgramResult result = ask({"scontrol", "show", "job", "--oneliner", id});
  if (!result.succeeded() && contains(result.errors + result.output, unknown_job)) {
    refuse_id(id);
  }
  if (!result.succeeded()) {
    fail("scontrol", result);
  }
  const SlurmJobRecord record = parse_job_record(result.output);
  if (record.id != id) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = "scontrol show job " + id,
                .found = "job " + record.id,
                .expected = "job " + id,
                .remedy = "Check with scontrol which job has this number."};
  }
  return run_state_of(record);
}

void SlurmScheduler::terminate(const std::string& id) {
  if (state(id).ended()) {  // scancel accepts any number without a message
    return;
  }
  const ProgramResult result = ask({"scancel", id});
  if (!result.succeeded()) {
    fail("scancel", result);
  }
}

}  // namespace cce
