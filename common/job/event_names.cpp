#include "common/job/event_names.h"

#include <array>
#include <cstddef>

namespace cce {
namespace {

struct KindRow {
  EventKind kind;
  std::string_view name;
};
constexpr std::array kind_rows{
    KindRow{EventKind::started, "started"},     KindRow{EventKind::stage_started, "stage_started"},
    KindRow{EventKind::progress, "progress"},   KindRow{EventKind::stage_done, "stage_done"},
    KindRow{EventKind::warning, "warning"},     KindRow{EventKind::error, "error"},
    KindRow{EventKind::cancelled, "cancelled"}, KindRow{EventKind::done, "done"},
};
constexpr std::array kinds = [] {
  std::array<EventKind, kind_rows.size()> list{};
  for (std::size_t i = 0; i < kind_rows.size(); ++i) {
    list[i] = kind_rows[i].kind;
  }
  return list;
}();

using enum MetricUnit;

constexpr std::array metric_rows{
    MetricRow{Metric::attempt, "attempt", "attempt", count, false},
    MetricRow{Metric::ranks, "ranks", "ranks", count, false},
    MetricRow{Metric::threads, "threads", "threads of each rank", count, false},
    MetricRow{Metric::seconds, "seconds", "time of the stage", seconds, false},
    MetricRow{Metric::tokens, "tokens", "tokens of the stage", count, false},
    MetricRow{Metric::elapsed_seconds, "elapsed_seconds", "time since the stage began", seconds, false},
    MetricRow{Metric::eta_seconds, "eta_seconds", "time left of the stage", seconds, false},
    MetricRow{Metric::tokens_per_second, "tokens_per_second", "tokens per second", count, true},
    MetricRow{Metric::peak_bytes, "peak_bytes", "memory of the largest rank", bytes, true},
    MetricRow{Metric::loss, "loss", "loss: the weighted sum of its terms", plain, true},
    MetricRow{Metric::rec, "rec", "loss term rec: relative error of the streams", plain, true},
    MetricRow{Metric::kl, "kl", "loss term kl: KL to the teacher, nats per token", plain, true},
    MetricRow{Metric::sim, "sim", "loss term sim: similarity within clusters", plain, true},
    MetricRow{Metric::reg, "reg", "loss term reg: nuclear / Frobenius norm, summed", plain, true},
    MetricRow{Metric::task, "task", "loss term task: next-token loss, nats", plain, true},
    MetricRow{Metric::validation_perplexity, "validation_perplexity", "validation perplexity", plain, true},
    MetricRow{Metric::gradient_norm, "gradient_norm", "gradient norm", plain, true},
    MetricRow{Metric::learning_rate, "learning_rate", "learning rate", plain, true},
    MetricRow{Metric::refined_sub_blocks, "refined_sub_blocks", "sub-blocks that refining improved", count,
              false},
    MetricRow{Metric::refine_error_before, "refine_error_before", "mean error before refining", plain, false},
    MetricRow{Metric::refine_error_after, "refine_error_after", "mean error after refining", plain, false},
};

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < metric_rows.size(); ++i) {
    if (metric_rows[i].metric != static_cast<Metric>(i)) {
      return false;
    }
  }
  return metric_rows.back().metric == Metric::refine_error_after;
}
static_assert(is_in_order(), "metric_rows has every metric once, in the order of Metric");

}  // namespace

std::string_view event_name(EventKind kind) {
  for (const KindRow& row : kind_rows) {
    if (row.kind == kind) {
      return row.name;
    }
  }
  return "other";
}

EventKind event_kind_named(std::string_view name) {
  for (const KindRow& row : kind_rows) {
    if (row.name == name) {
      return row.kind;
    }
  }
  return EventKind::other;
}

std::span<const EventKind> event_kinds() {
  return kinds;
}

std::span<const MetricRow> metric_table() {
  return metric_rows;
}

std::string_view metric_name(Metric metric) {
  return metric_rows.at(static_cast<std::size_t>(metric)).name;
}

std::string_view unit_name(MetricUnit unit) {
  switch (unit) {
    case plain:
      return "plain";
    case count:
      return "count";
    case bytes:
      return "bytes";
    case seconds:
      return "seconds";
  }
  return "plain";
}

}  // namespace cce
