#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/error.h"
#include "coordinator/store/job_state.h"

namespace cce {

/// One move of a job, as stored. `number` counts a job's moves from 1 (its creation); `event` is how many
/// lines of events.jsonl were known then, which fixes its place among them for good.
struct StoredTransition {
  std::int64_t number = 0;
  double time = 0.0;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
  std::int64_t event = 0;
  std::optional<Error> error = {};
};

struct StoredAttempt {
  std::int64_t attempt = 1;
  std::string run_name;          ///< what the scheduler knows it by
  std::string scheduler_id;      ///< "" until the scheduler's answer is stored
  std::int64_t first_event = 0;  ///< events of this attempt come after this one
  double submitted = 0.0, started = 0.0, ended = 0.0;
};

struct StoredJob {
  std::int64_t number = 0;  ///< 1, 2, 3, ... in order of creation
  std::string id;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
  std::string model;                ///< the folder's name
  std::vector<std::string> stages;  ///< names, in order
  double created = 0.0;
  std::optional<StoredAttempt> current;  ///< of `attempt`, once it was submitted
  std::vector<StoredTransition> transitions;
};

struct NewJob {
  std::string id;
  std::string spec;  ///< the resolved job's JSON
  std::string model;
  std::vector<std::string> stages;
  double time = 0.0;
  std::string key, key_digest;  ///< the idempotency key and the digest of what came with it; "" for none
};

struct StoredKey {
  std::string job;
  std::string digest;
};

/// What a move brings besides itself.
struct TransitionDetails {
  double time = 0.0;
  std::int64_t event = 0;  ///< raised to the previous transition's where it is less
  std::optional<Error> error = {};
  std::int64_t new_attempt = 0;  ///< resume: the attempt's number
  std::string run_name = {};     ///< submit: the name under which it goes to the scheduler
};

/// What there is to say of an id that no job has: any text of a request.
Error job_not_found(const std::string& id);

/// Jobs on disk: SQLite in WAL mode, synced at every commit. Every call that writes is one transaction: after
/// a crash at any moment it has happened or it has not. One thread at a time. Errors of every call:
/// disk_full, io_failure, malformed_file (a damaged database), with the path.
class JobStore {
 public:
  /// Opens or makes the file and brings its schema up to date, one migration a transaction.
  /// Errors: unsupported where the file's schema is newer than this program.
  explicit JobStore(const std::filesystem::path& file);
  ~JobStore();
  JobStore(JobStore&&) noexcept;
  JobStore& operator=(JobStore&&) noexcept;

  static constexpr int schema_version = 1;

  std::vector<StoredJob> load() const;  ///< every job, oldest first
  std::string spec(const std::string& id) const;
  std::optional<StoredKey> find_key(std::string_view key) const;

  /// A queued job with its first transition and its key.
  /// Errors: job_locked where the key is taken (two requests at once): find_key then has it.
  StoredJob insert(const NewJob& job);

  /// Moves a job as the table of job_state.h says, with its attempt's times.
  /// Errors: wrong_job_state where the table has no such move, with nothing changed; job_not_found.
  StoredTransition apply(const std::string& id, JobAction action, const TransitionDetails& details);

  /// The scheduler's answer to the current attempt's submission.
  void record_submission(const std::string& id, std::int64_t attempt, const std::string& scheduler_id);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace cce
