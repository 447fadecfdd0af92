#include "coordinator/service/job_progress.h"

#include <algorithm>

namespace cce {
namespace {

constexpr std::size_t most_warnings = 20;

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
  if (event.kind == EventKind::started) {
    *this = {};
  }
  last_word.take(event);
  merge_ranks(event.ranks, ranks);
  for (const auto& [name, value] : event.metrics) {
    metrics[name] = value;
  }
  const double peak_bytes = event.metric(Metric::peak_bytes).value_or(0.0);
  if (event.kind == EventKind::stage_started) {
    stage = event.stage;
    done = 0;
    total = 0;
    layer = -1;
    eta_seconds.reset();
  } else if (event.kind == EventKind::progress) {
    stage = event.stage;
    done = event.done;
    total = event.total;
    layer = event.layer;
    tokens_per_second = event.metric(Metric::tokens_per_second).value_or(tokens_per_second);
    eta_seconds = event.metric(Metric::eta_seconds);
    if (!ranks.empty()) {  // rank 0 writes the events
      ranks[0].peak_bytes = std::max(ranks[0].peak_bytes, static_cast<std::int64_t>(peak_bytes));
    }
  } else if (event.kind == EventKind::stage_done) {
    finished_stages.push_back({.stage = event.stage,
                               .seconds = event.metric(Metric::seconds).value_or(0.0),
                               .tokens = event.metric(Metric::tokens).value_or(0.0),
                               .peak_bytes = static_cast<std::int64_t>(peak_bytes)});
    done = total;
    eta_seconds.reset();
  } else if (event.kind == EventKind::warning && warnings.size() < most_warnings) {
    warnings.push_back(event.message);
  }
}

}  // namespace cce
