#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/job/job_event.h"
#include "coordinator/run/job_run.h"
#include "coordinator/service/job_view.h"

namespace cce {

/// What a job's events add up to. Not thread-safe.
struct JobProgress {
  std::string stage;
  std::int64_t done = 0, total = 0, layer = -1;
  double tokens_per_second = 0.0;
  std::optional<double> eta_seconds;
  std::vector<RankView> ranks;
  std::vector<StageView> finished_stages;
  std::map<std::string, double> metrics;
  std::vector<std::string> warnings;
  LastWord last_word;

  /// Adds one event, in order of seq. `started` (of a new attempt, or of the same one after a requeue) begins
  /// afresh; types that are not known change nothing.
  void add(const JobEvent& event);
  /// What an earlier attempt said is not this one's last word.
  void forget_last_word() { last_word = {}; }
};

}  // namespace cce
