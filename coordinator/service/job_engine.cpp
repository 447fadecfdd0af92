#include "coordinator/service/job_engine.h"

#include <algorithm>
#include <utility>

#include "common/job/rank_errors.h"
#include "coordinator/run/finish_job.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr double longest_retry_seconds = 30.0;
constexpr double lost_poll_seconds = 30.0;
constexpr double terminate_again_seconds = 10.0;
constexpr double idle_events_seconds = 60.0;
constexpr double pause_after_error_seconds = 1.0;
constexpr double look_for_room_seconds = 30.0;

/// The call may work later, and may have worked already.
bool is_passing(const Error& error) {
  return error.code == ErrorCode::deadline_exceeded || error.code == ErrorCode::io_failure ||
         error.code == ErrorCode::job_locked;
}

JobAction action_of(RunResult result) {
  switch (result) {
    case RunResult::completed:
      return JobAction::see_completed;
    case RunResult::cancelled:
      return JobAction::see_cancelled;
    case RunResult::vanished:
      return JobAction::see_vanished;
    case RunResult::failed:
      break;
  }
  return JobAction::see_failed;
}

}  // namespace

JobEngine::JobEngine(FileSystem& files, Scheduler& scheduler, JobTable& table, EngineOptions options)
    : files_(files),
      scheduler_(scheduler),
      table_(table),
      options_(std::move(options)),
      metrics_(empty_service_metrics()) {}

/// The scheduler's answer; an error is counted on its way.
template <typename Call>
auto JobEngine::ask(const char* call, const Call& body) {
  try {
    return body();
  } catch (const Error&) {
    count_scheduler_error(call);
    throw;
  }
}

void JobEngine::step() {
  const std::unique_lock stepping(stepping_, std::try_to_lock);
  if (!stepping.owns_lock()) {
    return;
  }
  const std::vector<OpenJob> jobs = table_.open_jobs();
  forget_prepared(jobs);
  std::int64_t slots = free_slots(jobs);
  const double now = options_.clock();
  for (const OpenJob& job : jobs) {
    const auto known = follows_.find(job.id);
    if (known != follows_.end() && now < known->second.not_before) {
      continue;
    }
    try {
      if (job.state != JobState::queued) {
        attend(job);
      } else if (slots > 0) {
        --slots;
        begin(job);
      }
    } catch (const Error&) {  // the job's next turn comes; what is stored has not moved
      follows_[job.id].not_before = now + pause_after_error_seconds;
      const std::lock_guard lock(counting_);
      ++metrics_.engine_errors;
    }
  }
  if (now >= next_unload_) {
    next_unload_ = now + idle_events_seconds;
    table_.unload_idle(idle_events_seconds);
  }
}

void JobEngine::attend(const OpenJob& job) {
  if (!job.current) {
    return;  // a refused or withdrawn job between two looks
  }
  if (job.state == JobState::cancelling) {
    ask_to_stop(job);
  }
  if (job.current->scheduler_id.empty()) {
    answer_submission(job);
  } else {
    follow(job);
  }
}

std::int64_t JobEngine::free_slots(const std::vector<OpenJob>& jobs) const {
  const auto active =
      std::count_if(jobs.begin(), jobs.end(), [](const OpenJob& job) { return is_active(job.state); });
  return scheduler_.traits().most_runs.value_or(options_.most_active) - active;
}

JobDir JobEngine::directory(const OpenJob& job) const {
  return JobDir::open(files_, table_.folder(job.id));
}

void JobEngine::move(const OpenJob& job, JobAction action, TransitionDetails details) {
  table_.move(job.id, action, std::move(details));
  if (action != JobAction::see_running && action != JobAction::see_waiting && action != JobAction::submit) {
    follows_.erase(job.id);
  }
}

// ---- submission

void JobEngine::keep(const std::string& id, PreparedJob job) {
  const std::lock_guard lock(keeping_);
  prepared_.emplace(id, std::move(job));
}

PreparedJob& JobEngine::prepared(const OpenJob& job) {
  {
    const std::lock_guard lock(keeping_);
    const auto kept = prepared_.find(job.id);
    if (kept != prepared_.end()) {
      return kept->second;
    }
  }
  JobSpec spec = parse_job_spec(table_.spec(job.id), "stored job");
  PreparedJob again = prepare_job(files_, std::move(spec), options_.machine, nullptr);
  const std::lock_guard lock(keeping_);
  return prepared_.emplace(job.id, std::move(again)).first->second;
}

/// Jobs that have left the queue.
void JobEngine::forget_prepared(const std::vector<OpenJob>& jobs) {
  const std::lock_guard lock(keeping_);
  std::erase_if(prepared_, [&jobs](const auto& kept) {
    return std::none_of(jobs.begin(), jobs.end(), [&kept](const OpenJob& job) {
      return job.id == kept.first && job.state == JobState::queued;
    });
  });
}

void JobEngine::begin(const OpenJob& job) {
  LaunchInputs inputs;
  try {
    inputs = ready_directory(files_, table_.folder(job.id), [&]() -> PreparedJob& { return prepared(job); });
  } catch (const Error& error) {
    if (error.code == ErrorCode::disk_full) {  // jobs wait for room: others end and are fetched meanwhile
      follows_[job.id].not_before = options_.clock() + look_for_room_seconds;
      table_.set_waiting_reason(job.id, describe(error));
    } else {
      move(job, JobAction::refuse, {.error = error});
    }
    return;
  }
  move(job, JobAction::submit, {.run_name = run_name(job.id, job.attempt)});
  follows_[job.id] = {};
  submit(table_.open_job(job.id), inputs);
}

void JobEngine::submit(const OpenJob& job, const LaunchInputs& inputs) {
  std::string id;
  try {
    directory(job).clear_cancel();
    const Launch launch = launch_of(inputs.spec, inputs.partition, table_.folder(job.id), options_.worker,
                                    job.current->run_name, job.attempt);
    id = ask("submit", [&] { return scheduler_.submit(launch); });
  } catch (const Error& error) {
    if (!is_passing(error)) {
      move(job, JobAction::refuse, {.error = error});
      return;
    }
    retry_later(job, error);
    return;
  }
  // From here on there is a run: where this cannot be stored, it is found by its name in a later step.
  table_.record_submission(job.id, job.attempt, id);
  follows_[job.id] = {};
  attend(table_.open_job(job.id));
}

/// The state `submitting` is stored and the scheduler's answer is not: the call was cut short by an error or
/// by the end of an earlier process.
void JobEngine::answer_submission(const OpenJob& job) {
  Follow& follow = follows_[job.id];
  const double now = options_.clock();
  if (!follow.unanswered_since) {
    follow.unanswered_since = now;
  }
  if (now < follow.next_try) {
    return;
  }
  std::optional<std::string> found;
  try {
    found = ask("find", [&] { return scheduler_.find(job.current->run_name); });
  } catch (const Error& error) {
    retry_later(job, error);
    return;
  }
  if (found) {
    table_.record_submission(job.id, job.attempt, *found);
    follow = {};
    attend(table_.open_job(job.id));
    return;
  }
  if (job.state == JobState::lost) {  // only a user starts it again
    follow.next_try = now + lost_poll_seconds;
    return;
  }
  const SchedulerTraits traits = scheduler_.traits();
  const bool has_settled = now - *follow.unanswered_since >= traits.settle_seconds;
  if (job.state == JobState::cancelling) {
    if (has_settled) {
      move(job, JobAction::see_cancelled);
    }
  } else if (has_settled || traits.submits_once) {
    submit(job, read_launch_inputs(files_, table_.folder(job.id)));
  }
}

void JobEngine::retry_later(const OpenJob& job, const Error& error) {
  Follow& follow = follows_[job.id];
  const double now = options_.clock();
  follow.unanswered_since = now;
  follow.next_try = now + follow.retry_seconds;
  follow.retry_seconds = std::min(2.0 * follow.retry_seconds, longest_retry_seconds);
  if (job.state == JobState::submitting && now - job.state_since > options_.submit_retry_seconds) {
    move(job, JobAction::give_up, {.error = error});
  } else {
    table_.set_waiting_reason(job.id, describe(error));
  }
}

// ---- a run that the scheduler has

void JobEngine::follow(const OpenJob& job) {
  Follow& follow = follows_[job.id];
  read_events(job);
  const double now = options_.clock();
  if (now < follow.next_poll) {
    return;
  }
  const double poll_seconds =
      job.state == JobState::lost ? lost_poll_seconds : scheduler_.traits().poll_seconds;
  follow.next_poll = now + poll_seconds;
  RunState run{.phase = RunPhase::ended, .end = RunEnd::vanished};
  try {
    run = ask("state", [&] { return scheduler_.state(job.current->scheduler_id); });
  } catch (const Error& error) {
    if (error.code != ErrorCode::invalid_argument) {
      table_.set_waiting_reason(job.id, describe(error));
      return;
    }
  }
  read_events(job);  // all that was written before the run was seen to have ended
  look_at_run(table_.open_job(job.id), run);
}

/// A damaged file does not keep the run's end from being seen.
void JobEngine::read_events(const OpenJob& job) {
  Follow& follow = follows_[job.id];
  try {
    table_.read_events(job.id, [&](const JobEvent& event) { count_event(event); });
  } catch (const Error& error) {
    if (!std::exchange(follow.events_failed, true)) {
      const std::lock_guard lock(counting_);
      ++metrics_.engine_errors;
    }
    run_of(job).events_unreadable(error);
  }
}

void JobEngine::look_at_run(const OpenJob& job, const RunState& run) {
  if (run.ended()) {
    conclude(job, run);
    return;
  }
  const bool is_running = run.phase == RunPhase::running;
  table_.set_waiting_reason(job.id, is_running ? std::string() : run.reason);
  if (is_running && (job.state == JobState::submitting || job.state == JobState::lost)) {
    count_queue(job);
    move(job, JobAction::see_running);
  } else if (!is_running && (job.state == JobState::running || job.state == JobState::lost)) {
    move(job, JobAction::see_waiting);
  } else if (job.state == JobState::cancelling) {
    press_cancel(job, run);
  }
}

/// Also where the scheduler cannot be asked: its workers see the file all the same.
void JobEngine::ask_to_stop(const OpenJob& job) {
  JobDir folder = directory(job);
  if (!folder.cancel_requested()) {
    folder.request_cancel();
  }
}

void JobEngine::press_cancel(const OpenJob& job, const RunState& run) {
  Follow& follow = follows_[job.id];
  const double now = options_.clock();
  const bool is_late = now - job.state_since > options_.cancel_seconds;
  if ((is_late || run.phase == RunPhase::waiting) && now >= follow.next_terminate) {
    follow.next_terminate = now + terminate_again_seconds;
    ask("terminate", [&] { scheduler_.terminate(job.current->scheduler_id); });
    follow.next_poll = 0.0;
  }
}

JobRun& JobEngine::run_of(const OpenJob& job) {
  std::optional<JobRun>& run = follows_[job.id].run;
  if (!run) {
    const fs::path root = table_.folder(job.id);
    run.emplace(attempt_log_path(root, job.attempt),
                RunWords{.where = "the run", .remedy = "Resume the job: finished work is kept."},
                [this, root, attempt = job.attempt] { return find_rank_error(files_, root, attempt); });
  }
  return *run;
}

void JobEngine::conclude(const OpenJob& job, const RunState& run) {
  const StopRequest stop = job.state == JobState::cancelling ? StopRequest::by_user : StopRequest::none;
  const std::optional<RunVerdict> verdict = run_of(job).judge(run, job.last_word, stop, options_.clock());
  if (!verdict) {
    return;  // the next look may find its last word
  }
  if (job.state == JobState::lost && verdict->result == RunResult::vanished) {
    return;  // as before
  }
  if (job.state == JobState::submitting) {
    count_queue(job);
  }
  if (verdict->result == RunResult::completed) {
    complete(job);
  } else {
    move(job, action_of(verdict->result), {.error = verdict->error});
  }
}

void JobEngine::complete(const OpenJob& job) {
  try {
    complete_result(
        files_, directory(job),
        {.remedy = "Bring it with 'cce fetch " + job.id +
                   " --out DIR', or put that right and deliver it with 'cce resume " + job.id + "'"});
  } catch (const Error& error) {
    move(job, JobAction::see_failed, {.error = error});
    return;
  }
  move(job, JobAction::see_completed);
  count_result(job);
}

}  // namespace cce
