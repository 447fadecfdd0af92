#include "coordinator/service/job_progress.h"

#include <algorithm>

namespace cce {
namespace {

constexpr std::size_t most_warnings = 20;

double metric_or(const JobEvent& event, const std::string& name, double otherwise) {
  const auto found = event.metrics.find(name);
  return found == event.metrics.end() ? otherwise : found->second;
}

void merge_ranks(const std::vector<RankFacts>& facts, std::vector<RankView>& ranks) {
  ranks.resize(std::max(ranks.size(), facts.size()));
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (!facts[i].host.empty()) {
      ranks[i].host = facts[i].host;
      ranks[i].device = facts[i].device;
    }
    ranks[i].peak_bytes = std::max(ranks[i].peak_bytes, facts[i].peak_bytes);
  }
}

}  // namespace

void JobProgress::add(const JobEvent& event) {
  if (event.type == "started") {
    *this = {};
  }
  merge_ranks(event.ranks, ranks);
  for (const auto& [name, value] : event.metrics) {
    metrics[name] = value;
  }
  if (event.type == "stage_started") {
    stage = event.stage;
    done = 0;
    total = 0;
    layer = -1;
    eta_seconds.reset();
  } else if (event.type == "progress") {
    stage = event.stage;
    done = event.done;
    total = event.total;
    layer = event.layer;
    tokens_per_second = metric_or(event, "tokens_per_second", tokens_per_second);
    const auto eta = event.metrics.find("eta_seconds");
    eta_seconds = eta == event.metrics.end() ? std::nullopt : std::optional(eta->second);
    if (!ranks.empty()) {  // rank 0 writes the events
      const auto peak = static_cast<std::int64_t>(metric_or(event, "peak_bytes", 0.0));
      ranks[0].peak_bytes = std::max(ranks[0].peak_bytes, peak);
    }
  } else if (event.type == "stage_done") {
    finished_stages.push_back({.stage = event.stage,
                               .seconds = metric_or(event, "seconds", 0.0),
                               .tokens = metric_or(event, "tokens", 0.0),
                               .peak_bytes = static_cast<std::int64_t>(metric_or(event, "peak_bytes", 0.0))});
    done = total;
    eta_seconds.reset();
  } else if (event.type == "warning" && warnings.size() < most_warnings) {
    warnings.push_back(event.message);
  } else if (event.type == "done") {
    outcome.done = true;
  } else if (event.type == "cancelled") {
    outcome.cancelled = true;
  } else if (event.type == "error") {
    outcome.error = event.error;
  }
}

}  // namespace cce
