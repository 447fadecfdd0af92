#pragma once
#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/clock.h"
#include "coordinator/job_events.h"
#include "coordinator/job_progress.h"
#include "coordinator/job_store.h"
#include "coordinator/job_view.h"

namespace cce {

/// What the engine needs to know of a job that it may have to move.
struct OpenJob {
  std::string id;
  JobState state = JobState::queued;
  std::int64_t attempt = 1;
  std::optional<StoredAttempt> current;  ///< of `attempt`
  double state_since = 0.0;
  double queued_since = 0.0;  ///< created, or resumed
  JobOutcome outcome;         ///< of the current attempt, as far as its events have been read
};

/// All jobs: what is stored, what their events say, and the views and streams that clients get of them. What
/// is stored moves first, memory follows. Threads: any call from any thread; views and streams take a lock
/// that is never held over a write. Errors of every call with an id: missing_file with where = "job ID".
///
/// Locks are taken in this order: writing_ (one transaction at a time), an entry's reading (one reader of its
/// events file at a time), memory_.
class JobTable {
 public:
  /// Loads every job; reads the events of those that are not final. `jobs` holds the job directories.
  JobTable(JobStore store, std::filesystem::path jobs, Clock clock);
  ~JobTable();

  // ---- clients
  JobViewPointer view(const std::string& id);
  JobPage page(std::optional<JobState> state, const std::string& after, std::size_t limit) const;
  std::vector<StreamItem> stream(const std::string& id, const StreamPosition& after, std::size_t limit);
  std::map<JobState, std::int64_t> count_by_state() const;

  // ---- moves; each stored before it is seen
  JobViewPointer insert(NewJob job);
  /// Does what JobStore::apply does, with the time and the event count filled in.
  JobViewPointer move(const std::string& id, JobAction action, TransitionDetails details = {});
  void record_submission(const std::string& id, std::int64_t attempt, const std::string& scheduler_id);
  std::optional<StoredKey> find_key(const std::string& key);
  std::string spec(const std::string& id);

  // ---- the engine
  std::vector<OpenJob> open_jobs() const;  ///< neither final nor never to move again; lost ones too
  OpenJob open_job(const std::string& id) const;
  /// Reads the events that were appended since the last call and hands each on. Errors: malformed_file.
  void read_events(const std::string& id, const std::function<void(const JobEvent&)>& on_event);
  void set_waiting_reason(const std::string& id, const std::string& reason);
  /// Forgets the events of final jobs that nobody has asked for in `seconds`; they are read again when
  /// needed.
  void unload_idle(double seconds);

  std::filesystem::path folder(const std::string& id) const { return jobs_ / id; }
  /// Called with a job's id after its view or stream changed, without locks held. Set before other threads
  /// start.
  void set_listener(std::function<void(const std::string&)> listener) { listener_ = std::move(listener); }

 private:
  struct Entry;
  Entry& find(const std::string& id) const;
  void load_events(Entry& entry);
  void pull_events(Entry& entry, const std::function<void(const JobEvent&)>& on_event);
  void publish(Entry& entry);
  void refresh_open(const Entry& entry);
  void notify(const std::string& id) const;
  OpenJob open_job(const Entry& entry) const;

  JobStore store_;
  const std::filesystem::path jobs_;
  const Clock clock_;
  std::function<void(const std::string&)> listener_;
  std::mutex writing_;
  mutable std::mutex memory_;
  std::map<std::int64_t, std::unique_ptr<Entry>> entries_;  ///< by number; never removed
  std::map<std::string, Entry*> by_id_;
  std::set<std::int64_t> open_;
};

}  // namespace cce
