#include "coordinator/client/client_event_text.h"

#include <array>
#include <ctime>

#include "coordinator/page/event_text.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"

namespace cce {
namespace {

std::string time_of_day(double time) {
  const auto seconds = static_cast<std::time_t>(time);
  std::tm parts{};
  std::array<char, 16> text{};
  if (::localtime_r(&seconds, &parts) == nullptr ||
      std::strftime(text.data(), text.size(), "%H:%M:%S", &parts) == 0) {
    return "        ";
  }
  return text.data();
}

void add(std::string& line, const std::string& part) {
  if (!part.empty()) {
    line.append("  ").append(part);
  }
}

}  // namespace

std::string stream_line(const StreamedItem& item) {
  if (!item.event) {
    const Json document = parse_json(item.json, "event " + item.id);
    const Json& time = member_at(document, {"time"});
    std::string line = time_of_day(time.is_number() ? time.get<double>() : 0.0);
    add(line, "state " + printable(item.state));
    add(line, item.attempt > 1 ? "attempt " + std::to_string(item.attempt) : "");
    add(line, item.error ? describe(*item.error) : "");
    return line;
  }
  const JobEvent& event = *item.event;
  std::string line = time_of_day(event.time);
  add(line, printable(event.stage));
  add(line, event.kind == EventKind::progress ? "" : std::string(event_name(event.kind)));
  for (const std::string& part : progress_parts(event)) {
    add(line, part);
  }
  for (const std::string& part : other_metrics(event)) {
    add(line, printable(part));
  }
  add(line, printable(event.message));
  add(line, event.error ? printable(describe(*event.error)) : "");
  return line;
}

}  // namespace cce
