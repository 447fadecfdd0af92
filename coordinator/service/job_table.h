#pragma once
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

#include "common/base/clock.h"
#include "coordinator/service/job_entry.h"
#include "coordinator/service/job_view.h"
#include "coordinator/store/job_store.h"

namespace cce {

/// All jobs: what is stored, what their events say, and the views and streams that clients get of them. What
/// is stored moves first, memory follows. Threads: any call from any thread; views and streams take a lock
/// that is never held over a write. Errors of every call with an id: job_not_found.
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
  bool has(const std::string& id) const;
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
  JobEntry& find(const std::string& id) const;
  void load_events(JobEntry& entry);
  void pull_events(JobEntry& entry, const std::function<void(const JobEvent&)>& on_event);
  JobViewPointer add(StoredJob job);
  void refresh_open(const JobEntry& entry);
  void notify(const std::string& id) const;

  JobStore store_;
  const std::filesystem::path jobs_;
  const Clock clock_;
  std::function<void(const std::string&)> listener_;
  std::mutex writing_;
  mutable std::mutex memory_;
  std::map<std::int64_t, std::unique_ptr<JobEntry>> entries_;  ///< by number; never removed
  std::map<std::string, JobEntry*> by_id_;
  std::set<std::int64_t> open_;
};

}  // namespace cce
