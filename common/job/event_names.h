#pragma once
#include <span>
#include <string_view>

namespace cce {

/// What an event says: "type" of a line of events.jsonl. Readers skip what they do not know (`other`).
enum class EventKind {
  started,  ///< an attempt, or a requeued one again: places of the ranks, metrics attempt, ranks, threads
  stage_started,
  progress,    ///< done of total; written at most a few times a second, and not synced
  stage_done,  ///< metrics seconds, peak_bytes, tokens; memory of each rank
  warning,     ///< message
  error,       ///< the last word of an attempt that failed
  cancelled,   ///< the last word of an attempt that was asked to stop
  done,        ///< the last word of an attempt that finished
  other,
};

std::string_view event_name(EventKind kind);
EventKind event_kind_named(std::string_view name);
/// Every kind but `other`, in the order of EventKind.
std::span<const EventKind> event_kinds();

/// The numbers that events carry.
enum class Metric {
  attempt,
  ranks,
  threads,
  seconds,
  tokens,
  elapsed_seconds,
  eta_seconds,
  tokens_per_second,
  peak_bytes,
  loss,
  rec,
  kl,
  sim,
  reg,
  task,
  validation_perplexity,
  gradient_norm,
  learning_rate,
  refined_sub_blocks,
  refine_error_before,
  refine_error_after,
};

enum class MetricUnit { plain, count, bytes, seconds };

struct MetricRow {
  Metric metric;
  std::string_view name;     ///< its key in `metrics`
  std::string_view caption;  ///< for people
  MetricUnit unit;
  bool over_time;  ///< progress events carry it, and its course is worth a chart
};

/// Every metric, in the order of Metric, which is the order of charts.
std::span<const MetricRow> metric_table();
std::string_view metric_name(Metric metric);
std::string_view unit_name(MetricUnit unit);

}  // namespace cce
