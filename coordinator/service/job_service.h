#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "coordinator/scheduler/scheduler.h"
#include "coordinator/service/job_metrics.h"
#include "coordinator/service/job_view.h"
#include "coordinator/system/machine.h"

namespace cce {

struct ServiceOptions {
  std::filesystem::path data;                ///< jobs.sqlite, lock, jobs/ID; made if need be
  std::vector<std::filesystem::path> roots;  ///< folders that recipes may name files in
  std::filesystem::path worker;              ///< the cce-worker program
  std::int64_t most_active = 1;       ///< jobs at the scheduler at once, where it has no limit of its own
  std::int64_t most_queued = 1000;    ///< jobs waiting; one more is refused
  double cancel_seconds = 120.0;      ///< until a cancelled run is ended without a safe point
  double submit_retry_seconds = 600;  ///< how long an unreachable scheduler is tried before a job fails
  Machine machine;                    ///< what forecasts assume of a worker's machine
  Clock clock = system_clock();
};

struct CreatedJob {
  JobViewPointer job;
  bool is_new = true;  ///< false: the idempotency key has been used for the same recipe before
};

/// The service without its sockets: jobs, their states, their events. Everything that must not be lost is in
/// DATA/jobs.sqlite and the job directories; the rest is rebuilt when a JobService is made over them again.
///
/// Threads: every call may come from any thread at any time. get, list, events, metrics and the paths never
/// wait for a disk write or for the scheduler; create, cancel and resume wait for one transaction. step is
/// for one timer thread (a second caller returns at once).
///
/// Errors of every call with an id: job_not_found.
class JobService {
 public:
  /// Opens or makes the data folder. `files` and `scheduler` must outlive it.
  /// Errors: job_locked where another process serves this folder; unsupported for a database of a newer
  /// version; those of PathPolicy.
  JobService(FileSystem& files, Scheduler& scheduler, ServiceOptions options);
  ~JobService();
  JobService(const JobService&) = delete;
  JobService& operator=(const JobService&) = delete;

  /// A new queued job from a recipe in JSON (docs/recipe.md; paths below the roots, resolved; `from` may also
  /// be the id of a job of this service). An idempotency key
  /// that came before gives that job again, without looking at the recipe's files. Errors: those of
  /// parse_request_body, parse_job_spec, PathPolicy, check_combinations, prepare_job, Scheduler::check;
  /// out_of_range for a key that is not 1 to 200 printable ASCII characters; impossible_combination for a key
  /// that came with another recipe; queue_full when most_queued jobs wait.
  CreatedJob create(std::string_view recipe_json, const std::optional<std::string>& idempotency_key);

  JobViewPointer get(const std::string& id) const;

  /// Jobs of a state (nothing: all), newest first, after the job `after` ("" from the newest), `limit` 1 to
  /// 1000. Errors: job_not_found for an `after` that is no job.
  JobPage list(std::optional<JobState> state, const std::string& after, std::size_t limit) const;

  /// Asks the job to stop at its next safe point; a queued one is cancelled at once. Repeating it changes
  /// nothing. Errors: wrong_job_state for a completed or failed job.
  JobViewPointer cancel(const std::string& id);

  /// A new attempt in the same job directory; finished work is kept. `other_numerics`: also where it was
  /// computed with other libraries or on another kind of machine (numerics_record.h).
  /// Errors: wrong_job_state unless cancelled, failed or lost.
  JobViewPointer resume(const std::string& id, bool other_numerics = false);

  /// At most `limit` items of the job's stream after a position, in order. The same items with the same
  /// positions for everyone, at any time, whatever restarts lie between: whoever asks for what comes after
  /// the last position it saw misses nothing and gets nothing twice. Positions beyond the end give nothing.
  std::vector<StreamItem> events(const std::string& id, const StreamPosition& after, std::size_t limit) const;

  /// The resolved recipe (spec.json's text).
  std::string spec_json(const std::string& id) const;
  /// JOB/result/report.json. Errors: result_not_found before the job has completed.
  std::filesystem::path report_path(const std::string& id) const;
  /// JOB/result. Errors: result_not_found before the job has completed.
  std::filesystem::path artifact_root(const std::string& id) const;
  /// JOB/logs/attempt-N.log of the current attempt; it may not be there yet.
  std::filesystem::path log_path(const std::string& id) const;

  ServiceMetrics metrics() const;

  /// Called after a job's view or stream has changed, from the thread that changed it, without locks held: it
  /// must return soon. Set once, before step is called.
  void set_listener(std::function<void(const std::string& id)> listener);

  /// One round of the engine: submits queued jobs up to the limits, asks the scheduler about active ones,
  /// reads new events, moves states. Does not throw for a job's trouble: that becomes the job's error or a
  /// count in metrics(). A tenth of a second between calls is a good pace.
  void step();

  /// Whether the data folder still takes writes: for /readyz. False with the reason in `reason`.
  bool ready(std::string& reason) const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace cce
