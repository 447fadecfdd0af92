#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "coordinator/store/job_state.h"

namespace cce {

/// Counts of observations up to each bound (not cumulated), the last one beyond all bounds.
struct Histogram {
  std::vector<double> upper_bounds;
  std::vector<std::uint64_t> counts;  ///< one more than bounds
  double sum = 0.0;
  std::uint64_t count = 0;

  explicit Histogram(std::vector<double> bounds = {});
  void observe(double value);
};

struct PerplexityFigure {
  std::string job, text;
  double before = 0.0, after = 0.0;
};

/// What the service counts since it started, except jobs_by_state, which is what is stored. A value.
struct ServiceMetrics {
  std::map<JobState, std::int64_t> jobs_by_state;  ///< every state, also with 0
  Histogram queue_seconds;                         ///< created (or resumed) until seen running
  std::map<std::string, Histogram> stage_seconds;  ///< by stage name
  double tokens_total = 0.0;                       ///< that finished stages went through
  double tensor_bytes_before_total = 0.0;          ///< of completed jobs
  double tensor_bytes_after_total = 0.0;
  std::vector<PerplexityFigure> perplexities;                     ///< of the 100 latest completed jobs
  std::map<std::string, std::uint64_t> scheduler_errors_by_call;  ///< submit, find, state, terminate
  std::uint64_t engine_errors = 0;                                ///< other Errors of a step
};

/// Bounds in seconds for waits and stages: a tenth of a second to hours.
std::vector<double> duration_bounds();
ServiceMetrics empty_service_metrics();

}  // namespace cce
