// What the engine counts on its way (JobEngine::metrics).
#include <algorithm>

#include "common/base/json_reader.h"
#include "coordinator/service/job_engine.h"

namespace cce {
namespace {

constexpr std::size_t most_perplexities = 100;

double number_at(const Json& report, const char* pointer) {
  const Json::json_pointer place(pointer);
  return report.contains(place) && report[place].is_number() ? report[place].get<double>() : 0.0;
}

}  // namespace

ServiceMetrics JobEngine::metrics() const {
  ServiceMetrics metrics;
  {
    const std::lock_guard lock(counting_);
    metrics = metrics_;
  }
  metrics.jobs_by_state = table_.count_by_state();
  return metrics;
}

void JobEngine::count_event(const JobEvent& event) {
  if (event.kind != EventKind::stage_done) {
    return;
  }
  const std::optional<double> seconds = event.metric(Metric::seconds);
  const std::lock_guard lock(counting_);
  if (seconds) {
    metrics_.stage_seconds.try_emplace(event.stage, duration_bounds()).first->second.observe(*seconds);
  }
  metrics_.tokens_total += event.metric(Metric::tokens).value_or(0.0);
}

void JobEngine::count_queue(const OpenJob& job) {
  Follow& follow = follows_[job.id];
  if (follow.queue_counted || job.state == JobState::lost) {
    return;
  }
  follow.queue_counted = true;
  const std::lock_guard lock(counting_);
  metrics_.queue_seconds.observe(std::max(0.0, options_.clock() - job.queued_since));
}

void JobEngine::count_result(const OpenJob& job) {
  const std::filesystem::path path = directory(job).result_path() / "report.json";
  const Json report = parse_json(files_.read_text(path), path.string());
  const std::lock_guard lock(counting_);
  metrics_.tensor_bytes_before_total += number_at(report, "/bytes/before");
  metrics_.tensor_bytes_after_total += number_at(report, "/bytes/after");
  const Json::json_pointer place("/evaluation/perplexity");
  if (!report.contains(place) || !report[place].is_object()) {
    return;
  }
  for (const auto& [text, figures] : report[place].items()) {
    metrics_.perplexities.push_back({.job = job.id,
                                     .text = text,
                                     .before = number_at(figures, "/before"),
                                     .after = number_at(figures, "/after")});
  }
  if (metrics_.perplexities.size() > most_perplexities) {
    metrics_.perplexities.erase(metrics_.perplexities.begin(),
                                metrics_.perplexities.end() - most_perplexities);
  }
}

void JobEngine::count_scheduler_error(const std::string& call) {
  const std::lock_guard lock(counting_);
  ++metrics_.scheduler_errors_by_call[call];
}

}  // namespace cce
