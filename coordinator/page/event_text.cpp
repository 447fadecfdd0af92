#include "coordinator/page/event_text.h"

#include <algorithm>

#include "common/base/number_format.h"
#include "coordinator/page/report_rows.h"

namespace cce {
namespace {

std::string in_unit(double value, MetricUnit unit) {
  switch (unit) {
    case MetricUnit::count:
      return short_count(value);
    case MetricUnit::bytes:
      return format_bytes(static_cast<std::int64_t>(value));
    case MetricUnit::seconds:
      return short_duration(value);
    case MetricUnit::plain:
      break;
  }
  return format_number(value);
}

bool has_a_part(Metric metric) {
  return metric == Metric::tokens_per_second || metric == Metric::eta_seconds || metric == Metric::peak_bytes;
}

}  // namespace

std::optional<double> share_of(const JobEvent& event) {
  return event.total > 0 ? std::optional(static_cast<double>(event.done) / static_cast<double>(event.total))
                         : std::nullopt;
}

std::vector<std::string> progress_parts(const JobEvent& event, const std::string& bar) {
  std::vector<std::string> parts;
  if (event.layer >= 0) {
    parts.push_back("layer " + std::to_string(event.layer));
  }
  if (const std::optional<double> share = share_of(event)) {
    parts.push_back(format_fixed(100.0 * *share, 0) + " %" + (bar.empty() ? "" : "  " + bar));
  }
  if (const double rate = event.metric(Metric::tokens_per_second).value_or(0.0); rate > 0.0) {
    parts.push_back(short_count(rate) + " tokens/s");
  }
  if (const std::optional<double> left = event.metric(Metric::eta_seconds)) {
    parts.push_back("about " + short_duration(*left) + " left");
  }
  if (const double peak = event.metric(Metric::peak_bytes).value_or(0.0); peak > 0.0) {
    parts.push_back("peak " + format_bytes(static_cast<std::int64_t>(peak)));
  }
  return parts;
}

std::vector<std::string> other_metrics(const JobEvent& event) {
  std::vector<std::string> parts;
  for (const auto& [name, value] : event.metrics) {
    const auto metrics = metric_table();
    const auto row = std::find_if(metrics.begin(), metrics.end(),
                                  [&name](const MetricRow& known) { return known.name == name; });
    if (row == metrics.end()) {
      parts.push_back(name + " " + format_number(value));
    } else if (!has_a_part(row->metric)) {
      parts.push_back(name + " " + in_unit(value, row->unit));
    }
  }
  return parts;
}

}  // namespace cce
