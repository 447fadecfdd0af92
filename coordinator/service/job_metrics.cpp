#include "coordinator/service/job_metrics.h"

#include <algorithm>

namespace cce {

Histogram::Histogram(std::vector<double> bounds)
    : upper_bounds(std::move(bounds)), counts(upper_bounds.size() + 1, 0) {}

void Histogram::observe(double value) {
  const auto bound = std::lower_bound(upper_bounds.begin(), upper_bounds.end(), value);
  ++counts[static_cast<std::size_t>(bound - upper_bounds.begin())];
  sum += value;
  ++count;
}

std::vector<double> duration_bounds() {
  return {0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0, 10000.0, 30000.0};
}

ServiceMetrics empty_service_metrics() {
  ServiceMetrics metrics;
  for (const JobState state : all_job_states) {
    metrics.jobs_by_state[state] = 0;
  }
  metrics.queue_seconds = Histogram(duration_bounds());
  for (const char* call : {"submit", "find", "state", "terminate"}) {
    metrics.scheduler_errors_by_call[call] = 0;
  }
  return metrics;
}

}  // namespace cce
