#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/file.h"
#include "common/job/event_names.h"

namespace cce {

/// A rank's place, and what it took; fields that an event does not know stay as they are here.
struct RankFacts {
  std::string host, device;
  std::int64_t peak_bytes = 0;
};

/// One line of JOB/events.jsonl.
struct JobEvent {
  std::int64_t seq = 0;               ///< 1, 2, 3, ... over all attempts; filled in by EventLog
  double time = 0.0;                  ///< seconds since 1970; filled in by EventLog
  EventKind kind = EventKind::other;  ///< "type" of the line
  std::string stage;                  ///< "" outside stages
  std::int64_t layer = -1;            ///< -1 where no layer is meant
  std::int64_t done = 0;              ///< of `total` units of the stage
  std::int64_t total = 0;
  std::map<std::string, double> metrics;  ///< finite, by the names of metric_table and any others
  std::string message;                    ///< for people; "" for none
  std::vector<RankFacts> ranks;           ///< of all ranks, in order: started (places), stage_done (memory)
  std::optional<Error> error;             ///< of error and cancelled

  std::optional<double> metric(Metric which) const;
  void set(Metric which, double value) { metrics[std::string(metric_name(which))] = value; }
};

/// {"seq":1,"time":...,"type":"progress","stage":"encode","layer":3,"done":4,"total":30,"metrics":{...}}
/// without a line break; `message`, `ranks` and `error` only where there is one, `layer` null for -1.
std::string to_json_line(const JobEvent& event);

/// Errors: malformed_file, wrong_type, unknown_key with `where`.
JobEvent parse_job_event(const std::string& line, const std::string& where);

/// Appends to an events file. One writer at a time, guarded by the job's lock; not thread-safe.
class EventLog {
 public:
  /// Opens or creates the file, cuts a torn last line, and continues its seq.
  /// Errors: malformed_file where a line before the last is not an event; those of FileSystem.
  EventLog(FileSystem& files, FileSystem::Path path, Clock clock = system_clock());

  /// Fills in seq and time, appends one whole line and, unless it is progress, syncs it. Where that
  /// fails, the torn line is cut before the next append, and seq is not used up. Returns the event as
  /// written.
  JobEvent append(JobEvent event);

 private:
  FileSystem& files_;
  FileSystem::Path path_;
  Clock clock_;
  std::unique_ptr<FileWriter> writer_;
  std::int64_t good_bytes_ = 0;  // length of the file up to its last whole line
  std::int64_t last_seq_ = 0;
};

/// The events after `after_seq`, in order. A torn last line is skipped, an absent file has none. `limit` most
/// at once.
std::vector<JobEvent> read_events(const FileSystem& files, const FileSystem::Path& path,
                                  std::int64_t after_seq = 0, std::size_t limit = 1000000);

}  // namespace cce
