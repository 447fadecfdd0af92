#include "coordinator/page/page_words.h"

#include <string>

#include "common/base/json_writer.h"
#include "common/job/event_names.h"
#include "coordinator/store/job_state.h"

namespace cce {
namespace {

OrderedJson words() {
  OrderedJson states = OrderedJson::object();
  for (const JobState state : all_job_states) {
    states[std::string(state_name(state))] = {
        {"final", is_final(state)}, {"resumable", next_state(state, JobAction::resume).has_value()}};
  }
  OrderedJson events = OrderedJson::object();
  for (const EventKind kind : event_kinds()) {
    events[std::string(event_name(kind))] = event_name(kind);
  }
  OrderedJson metrics = OrderedJson::array();
  for (const MetricRow& row : metric_table()) {
    metrics.push_back({{"name", row.name},
                       {"caption", row.caption},
                       {"unit", unit_name(row.unit)},
                       {"over_time", row.over_time}});
  }
  return {{"states", states}, {"events", events}, {"metrics", metrics}};
}

}  // namespace

std::string_view words_script() {
  static const std::string script = "\"use strict\";\nconst Words = " + pretty_json(words()) + ";\n";
  return script;
}

}  // namespace cce
