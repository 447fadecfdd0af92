#pragma once
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/job/job_dir.h"
#include "common/job/job_event.h"
#include "common/recipe/job_spec.h"
#include "worker/comm/communicator.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Tells the job's watchers what happens, and asks whether to go on. Rank 0 writes the events; the other
/// ranks take part in the collective calls. One per rank, one thread.
class Reporter {
 public:
  /// `events` is null on every rank but 0. Peaks of memory are those of `backend` where it has memory of its
  /// own, else (and without one) those of the process. All outlive the reporter.
  Reporter(const JobDir& job, Communicator& communicator, EventLog* events, const Backend* backend = nullptr);

  void stage_started(Stage stage);
  /// A safe point, collective: throws Error cancelled on every rank once control/cancel exists; else rank 0
  /// writes progress, at most four times a second and always at done == total. layer < 0: none is meant.
  /// metrics: of rank 0, added to the event's own.
  void progress(std::int64_t done, std::int64_t total, std::int64_t layer, double tokens,
                const std::map<std::string, double>& metrics = {});
  /// Collective. tokens: of this rank. The event has the seconds since stage_started, the largest rank's peak of
  /// memory up to now, and the tokens of all ranks.
  void stage_finished(double tokens, const std::map<std::string, double>& metrics = {});
  /// Any rank, not collective: kept until stage_finished, where rank 0 writes the warnings of all ranks.
  void warning(const std::string& sentence);

 private:
  using Instant = std::chrono::steady_clock::time_point;
  void write(JobEvent event);
  void share_warnings();
  std::int64_t own_peak_bytes() const;

  const JobDir& job_;
  Communicator& communicator_;
  EventLog* events_;
  const Backend* backend_;
  Stage stage_ = Stage::calibrate;
  Instant started_, last_written_;
  std::vector<std::string> new_warnings_;
};

/// Peak resident memory of this process so far.
std::int64_t peak_resident_bytes();

}  // namespace cce
