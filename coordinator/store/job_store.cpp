#include "coordinator/store/job_store.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "common/base/error_json.h"
#include "coordinator/store/job_store_schema.h"
#include "coordinator/store/job_store_sql.h"

namespace cce {
namespace {

struct JobRow {
  std::int64_t number = 0;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
};

JobState stored_state(const std::string& name) {
  const std::optional<JobState> state = parse_state(name);
  if (!state) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = "jobs.sqlite",
                .found = "state '" + name + "'",
                .expected = "a state of this version",
                .remedy = "Serve this folder with the version of cce that wrote it."};
  }
  return *state;
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text.append(text.empty() ? "" : " ").append(name);
  }
  return text;
}

std::vector<std::string> split(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> names;
  for (std::string name; stream >> name;) {
    names.push_back(name);
  }
  return names;
}

JobRow find_job(const SqlDatabase& database, const std::string& id) {
  SqlStatement statement(database, "SELECT number, state, attempt FROM jobs WHERE id = ?");
  statement.bind(id);
  if (!statement.next()) {
    throw job_not_found(id);
  }
  return {statement.integer(0), stored_state(statement.text(1)), statement.integer(2)};
}

/// The number and the event count of a job's latest transition.
std::pair<std::int64_t, std::int64_t> latest_transition(const SqlDatabase& database, std::int64_t job) {
  SqlStatement statement(database,
                         "SELECT number, event FROM transitions WHERE job = ? ORDER BY number DESC LIMIT 1");
  statement.bind(job);
  return statement.next() ? std::pair(statement.integer(0), statement.integer(1))
                          : std::pair(std::int64_t{0}, std::int64_t{0});
}

void insert_transition(const SqlDatabase& database, std::int64_t job, const StoredTransition& transition) {
  SqlStatement statement(database,
                         "INSERT INTO transitions (job, number, time, state, attempt, event, error) "
                         "VALUES (?, ?, ?, ?, ?, ?, ?)");
  statement.bind(job).bind(transition.number).bind(transition.time);
  statement.bind(state_name(transition.state)).bind(transition.attempt).bind(transition.event);
  if (transition.error) {
    statement.bind(compact_json(error_json(*transition.error)));
  } else {
    statement.bind_null();
  }
  statement.run();
}

void write_attempt(const SqlDatabase& database, std::int64_t job, JobAction action,
                   const StoredTransition& transition, const std::string& run_name) {
  if (action == JobAction::submit) {
    SqlStatement(
        database,
        "INSERT INTO attempts (job, attempt, run_name, first_event, submitted) VALUES (?, ?, ?, ?, ?)")
        .bind(job)
        .bind(transition.attempt)
        .bind(run_name)
        .bind(transition.event)
        .bind(transition.time)
        .run();
  } else if (action == JobAction::see_running) {
    SqlStatement(database, "UPDATE attempts SET started = ?, ended = NULL WHERE job = ? AND attempt = ?")
        .bind(transition.time)
        .bind(job)
        .bind(transition.attempt)
        .run();
  } else if (is_final(transition.state)) {
    SqlStatement(database, "UPDATE attempts SET ended = ? WHERE job = ? AND attempt = ?")
        .bind(transition.time)
        .bind(job)
        .bind(transition.attempt)
        .run();
  }
}

Error no_such_move(const std::string& id, JobState state, JobAction action) {
  std::string allowed;
  for (const JobTransition& transition : job_transitions()) {
    if (transition.action == action) {
      allowed.append(allowed.empty() ? "" : ", ").append(state_name(transition.from));
    }
  }
  Error error{.code = ErrorCode::wrong_job_state,
              .where = "job " + id,
              .found = std::string("a job that is ").append(state_name(state)),
              .expected = "one that is: " + allowed};
  if (action == JobAction::request_cancel) {
    error.remedy = "A job that has ended needs no cancelling.";
  } else if (action == JobAction::resume) {
    error.remedy = is_final(state) ? "A completed job has its result: submit a new one for another."
                                   : "Wait until it has ended, or cancel it first.";
  }
  return error;
}

}  // namespace

Error job_not_found(const std::string& id) {
  constexpr std::size_t most_shown = 60;
  return Error{.code = ErrorCode::job_not_found,
               .where = "job " + id.substr(0, most_shown),
               .found = "no such job",
               .expected = "the id of a job of this server",
               .remedy = "List them with 'cce jobs'."};
}

class JobStore::Implementation {
 public:
  explicit Implementation(const std::filesystem::path& file) : database_(file) {
    migrate_job_store(database_);
  }

  SqlDatabase& database() { return database_; }
  const SqlDatabase& database() const { return database_; }

  std::map<std::int64_t, StoredJob> load_jobs() const {
    std::map<std::int64_t, StoredJob> jobs;
    SqlStatement rows(database_, "SELECT number, id, state, attempt, model, stages, created FROM jobs");
    while (rows.next()) {
      StoredJob job;
      job.number = rows.integer(0);
      job.id = rows.text(1);
      job.state = stored_state(rows.text(2));
      job.attempt = rows.integer(3);
      job.model = rows.text(4);
      job.stages = split(rows.text(5));
      job.created = rows.number(6);
      jobs.emplace(job.number, std::move(job));
    }
    return jobs;
  }

  void load_attempts(std::map<std::int64_t, StoredJob>& jobs) const {
    SqlStatement rows(
        database_,
        "SELECT attempts.job, attempts.attempt, run_name, scheduler_id, first_event, submitted, "
        "started, ended FROM attempts JOIN jobs ON jobs.number = attempts.job AND "
        "jobs.attempt = attempts.attempt");
    while (rows.next()) {
      jobs.at(rows.integer(0)).current = StoredAttempt{.attempt = rows.integer(1),
                                                       .run_name = rows.text(2),
                                                       .scheduler_id = rows.text(3),
                                                       .first_event = rows.integer(4),
                                                       .submitted = rows.number(5),
                                                       .started = rows.number(6),
                                                       .ended = rows.number(7)};
    }
  }

  void load_transitions(std::map<std::int64_t, StoredJob>& jobs) const {
    SqlStatement rows(
        database_,
        "SELECT job, number, time, state, attempt, event, error FROM transitions ORDER BY job, number");
    while (rows.next()) {
      StoredTransition transition{.number = rows.integer(1),
                                  .time = rows.number(2),
                                  .state = stored_state(rows.text(3)),
                                  .attempt = rows.integer(4),
                                  .event = rows.integer(5)};
      if (!rows.is_null(6)) {
        transition.error = read_error(parse_json(rows.text(6), "jobs.sqlite"), "jobs.sqlite");
      }
      jobs.at(rows.integer(0)).transitions.push_back(std::move(transition));
    }
  }

 private:
  SqlDatabase database_;
};

JobStore::JobStore(const std::filesystem::path& file)
    : implementation_(std::make_unique<Implementation>(file)) {}
JobStore::~JobStore() = default;
JobStore::JobStore(JobStore&&) noexcept = default;
JobStore& JobStore::operator=(JobStore&&) noexcept = default;

std::vector<StoredJob> JobStore::load() const {
  std::map<std::int64_t, StoredJob> jobs = implementation_->load_jobs();
  implementation_->load_attempts(jobs);
  implementation_->load_transitions(jobs);
  std::vector<StoredJob> ordered;
  for (auto& [number, job] : jobs) {
    ordered.push_back(std::move(job));
  }
  return ordered;
}

std::string JobStore::spec(const std::string& id) const {
  const SqlDatabase& database = implementation_->database();
  find_job(database, id);
  SqlStatement statement(database, "SELECT spec FROM jobs WHERE id = ?");
  statement.bind(id).next();
  return statement.text(0);
}

std::optional<StoredKey> JobStore::find_key(std::string_view key) const {
  SqlStatement statement(implementation_->database(),
                         "SELECT jobs.id, digest FROM idempotency_keys JOIN jobs ON jobs.number = job "
                         "WHERE key = ?");
  statement.bind(key);
  return statement.next() ? std::optional(StoredKey{statement.text(0), statement.text(1)}) : std::nullopt;
}

StoredJob JobStore::insert(const NewJob& job) {
  SqlDatabase& database = implementation_->database();
  SqlTransaction transaction(database);
  if (!job.key.empty() && find_key(job.key)) {
    throw Error{.code = ErrorCode::job_locked,
                .where = "Idempotency-Key",
                .found = "a key that another request has just used",
                .expected = "a key of its own for each request",
                .remedy = "Repeat the request: it is answered with the job that the key made."};
  }
  SqlStatement(database,
               "INSERT INTO jobs (id, state, attempt, spec, model, stages, created) "
               "VALUES (?, 'queued', 1, ?, ?, ?, ?)")
      .bind(job.id)
      .bind(job.spec)
      .bind(job.model)
      .bind(join(job.stages))
      .bind(job.time)
      .run();
  StoredJob stored;
  stored.number = database.last_insert_number();
  stored.id = job.id;
  stored.model = job.model;
  stored.stages = job.stages;
  stored.created = job.time;
  stored.transitions.push_back({.number = 1, .time = job.time});
  insert_transition(database, stored.number, stored.transitions.back());
  if (!job.key.empty()) {
    SqlStatement(database, "INSERT INTO idempotency_keys (key, digest, job, created) VALUES (?, ?, ?, ?)")
        .bind(job.key)
        .bind(job.key_digest)
        .bind(stored.number)
        .bind(job.time)
        .run();
  }
  transaction.commit();
  return stored;
}

StoredTransition JobStore::apply(const std::string& id, JobAction action, const TransitionDetails& details) {
  SqlDatabase& database = implementation_->database();
  SqlTransaction transaction(database);
  const JobRow row = find_job(database, id);
  const std::optional<JobState> state = next_state(row.state, action);
  if (!state) {
    throw no_such_move(id, row.state, action);
  }
  const auto [number, event] = latest_transition(database, row.number);
  const StoredTransition next{.number = number + 1,
                              .time = details.time,
                              .state = *state,
                              .attempt = action == JobAction::resume ? details.new_attempt : row.attempt,
                              .event = std::max(event, details.event),
                              .error = details.error};
  SqlStatement(database, "UPDATE jobs SET state = ?, attempt = ? WHERE number = ?")
      .bind(state_name(next.state))
      .bind(next.attempt)
      .bind(row.number)
      .run();
  insert_transition(database, row.number, next);
  write_attempt(database, row.number, action, next, details.run_name);
  transaction.commit();
  return next;
}

void JobStore::record_submission(const std::string& id, std::int64_t attempt,
                                 const std::string& scheduler_id) {
  SqlDatabase& database = implementation_->database();
  SqlTransaction transaction(database);
  const JobRow row = find_job(database, id);
  SqlStatement(database, "UPDATE attempts SET scheduler_id = ? WHERE job = ? AND attempt = ?")
      .bind(scheduler_id)
      .bind(row.number)
      .bind(attempt)
      .run();
  transaction.commit();
}

}  // namespace cce
