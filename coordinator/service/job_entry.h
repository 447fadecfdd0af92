#pragma once
#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "coordinator/service/job_events.h"
#include "coordinator/service/job_progress.h"
#include "coordinator/service/job_view.h"
#include "coordinator/store/job_store.h"

namespace cce {

/// What the engine needs to know of a job that it may have to move.
struct OpenJob {
  std::string id;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
  std::optional<StoredAttempt> current;  ///< of `attempt`
  double state_since = 0.0;
  double queued_since = 0.0;  ///< created, or resumed
  LastWord last_word;         ///< of the current attempt, as far as its events have been read
};

/// A stretch of a job's stream. Items whose line is no longer in memory have none yet: they are a run of
/// consecutive events, whose lines begin at missing_offset of the events file.
struct StreamStretch {
  std::vector<StreamItem> items;
  std::vector<std::size_t> missing;  ///< their places in items
  std::int64_t missing_offset = 0;
};

/// One job in memory: what is stored of it, what its events add up to, and the view that clients get. Each
/// change replaces the view. Not thread-safe: JobTable's locks guard it, as the members say.
class JobEntry {
 public:
  explicit JobEntry(StoredJob job);

  // ---- guarded by JobTable's memory_
  const StoredJob& job() const { return job_; }
  const JobViewPointer& view() const { return view_; }
  std::uint64_t version() const { return version_; }
  /// Events known, or known to have been.
  std::int64_t event_count() const { return loaded_ ? index_.count() : job_.transitions.back().event; }
  bool loaded() const { return loaded_; }  ///< its events are in memory; else only what is stored
  /// Whether it may move again without a user: queued, under way, or lost.
  bool is_open() const { return !is_final(job_.state) || job_.state == JobState::lost; }
  OpenJob open_job() const;
  /// At most `limit` items after a position. The order is fixed by what is stored: a transition stands after
  /// the events that were known when it was made, and before all later ones.
  StreamStretch stream(const StreamPosition& after, std::size_t limit) const;

  /// After the store has moved it. `run_name`: of a submission.
  void moved(JobAction action, const StoredTransition& transition, const std::string& run_name);
  void submission_recorded(const std::string& scheduler_id);
  /// False where it is the reason already.
  bool set_waiting_reason(const std::string& reason);
  void begin_events();  ///< none yet; those of the whole file follow
  void add_events(std::vector<EventReader::Line> lines);
  void unload_events();

  // ---- others
  std::mutex reading;                 ///< one reader of the events file at a time: guards `reader`
  std::optional<EventReader> reader;  ///< once events have been asked for
  std::atomic<double> last_used = 0.0;

 private:
  void publish();

  StoredJob job_;
  JobProgress progress_;
  EventIndex index_;
  std::string waiting_reason_;
  bool loaded_ = false;
  std::uint64_t version_ = 0;
  JobViewPointer view_;
};

}  // namespace cce
