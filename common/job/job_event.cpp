#include "common/job/job_event.h"

#include <utility>

#include "common/base/error_json.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {
namespace {

OrderedJson ranks_json(const std::vector<RankFacts>& ranks) {
  OrderedJson list = OrderedJson::array();
  for (const RankFacts& rank : ranks) {
    OrderedJson item = OrderedJson::object();
    if (!rank.host.empty()) {
      item["host"] = rank.host;
      item["device"] = rank.device;
    }
    if (rank.peak_bytes > 0) {
      item["peak_bytes"] = rank.peak_bytes;
    }
    list.push_back(std::move(item));
  }
  return list;
}

std::vector<RankFacts> parse_ranks(const JsonReader& list) {
  std::vector<RankFacts> ranks;
  for (JsonReader item : list.items()) {
    RankFacts& rank = ranks.emplace_back();
    rank.host = item.text_or("host", "");
    rank.device = item.text_or("device", "");
    rank.peak_bytes = item.integer_or("peak_bytes", 0, {.lowest = 0});
    item.refuse_unknown_keys();
  }
  return ranks;
}

}  // namespace

std::optional<double> JobEvent::metric(Metric which) const {
  const auto found = metrics.find(std::string(metric_name(which)));
  return found == metrics.end() ? std::nullopt : std::optional(found->second);
}

std::string to_json_line(const JobEvent& event) {
  OrderedJson metrics = OrderedJson(OrderedJson::value_t::object);
  for (const auto& [name, value] : event.metrics) {
    metrics[name] = value;
  }
  OrderedJson line = {{"seq", event.seq},
                      {"time", event.time},
                      {"type", event_name(event.kind)},
                      {"stage", event.stage},
                      {"layer", event.layer < 0 ? OrderedJson() : OrderedJson(event.layer)},
                      {"done", event.done},
                      {"total", event.total},
                      {"metrics", metrics}};
  if (!event.message.empty()) {
    line["message"] = event.message;
  }
  if (!event.ranks.empty()) {
    line["ranks"] = ranks_json(event.ranks);
  }
  if (event.error) {
    line["error"] = error_json(*event.error);
  }
  return compact_json(line);
}

JobEvent parse_job_event(const std::string& line, const std::string& where) {
  const Json document = parse_json(line, where, 8);
  JsonReader reader(document, where);
  JobEvent event;
  event.seq = reader.required("seq").integer({.lowest = 1});
  event.time = reader.required("time").number({.lowest = 0.0});
  event.kind = event_kind_named(reader.required("type").text());
  event.stage = reader.text_or("stage", "");
  event.layer = reader.integer_or("layer", -1, {.lowest = 0});
  event.done = reader.integer_or("done", 0, {.lowest = 0});
  event.total = reader.integer_or("total", 0, {.lowest = 0});
  if (std::optional<JsonReader> metrics = reader.optional("metrics")) {
    for (const std::string& name : metrics->keys()) {
      event.metrics.emplace(name, metrics->required(name).number());
    }
  }
  event.message = reader.text_or("message", "");
  if (const std::optional<JsonReader> ranks = reader.optional("ranks")) {
    event.ranks = parse_ranks(*ranks);
  }
  if (const std::optional<JsonReader> error = reader.optional("error")) {
    event.error = read_error(error->json(), error->where());
  }
  reader.refuse_unknown_keys();
  return event;
}

EventLog::EventLog(FileSystem& files, FileSystem::Path path, Clock clock)
    : files_(files), path_(std::move(path)), clock_(std::move(clock)) {
  const std::string text = files_.exists(path_) ? files_.read_text(path_) : std::string();
  std::size_t line_start = 0;
  std::int64_t line_number = 0;
  while (true) {
    const std::size_t line_end = text.find('\n', line_start);
    if (line_end == std::string::npos) {
      break;  // nothing more, or a torn line
    }
    ++line_number;
    const std::string where = path_.string() + ", line " + std::to_string(line_number);
    try {
      last_seq_ = parse_job_event(text.substr(line_start, line_end - line_start), where).seq;
    } catch (const Error&) {
      if (line_end + 1 != text.size()) {
        throw;
      }
      break;  // the last line, whose bytes reached the disk only in part
    }
    line_start = line_end + 1;
  }
  good_bytes_ = static_cast<std::int64_t>(line_start);
  if (line_start != text.size()) {
    files_.truncate(path_, good_bytes_);
  }
}

JobEvent EventLog::append(JobEvent event) {
  event.seq = last_seq_ + 1;
  event.time = clock_();
  const std::string line = to_json_line(event) + "\n";
  if (writer_ == nullptr) {
    if (files_.exists(path_) && files_.file_bytes(path_) != good_bytes_) {
      files_.truncate(path_, good_bytes_);
    }
    writer_ = files_.open_writer(path_, WriteMode::append);
  }
  try {
    writer_->append(std::string_view(line));
    if (event.kind != EventKind::progress) {
      writer_->sync();
    }
  } catch (const Error&) {
    writer_.reset();
    throw;
  }
  good_bytes_ += static_cast<std::int64_t>(line.size());
  last_seq_ = event.seq;
  return event;
}

std::vector<JobEvent> read_events(const FileSystem& files, const FileSystem::Path& path,
                                  std::int64_t after_seq, std::size_t limit) {
  std::vector<JobEvent> events;
  if (!files.exists(path)) {
    return events;
  }
  const std::string text = files.read_text(path);
  std::size_t line_start = 0;
  for (std::int64_t line_number = 1; events.size() < limit; ++line_number) {
    const std::size_t line_end = text.find('\n', line_start);
    if (line_end == std::string::npos) {
      break;
    }
    const std::string line = text.substr(line_start, line_end - line_start);
    line_start = line_end + 1;
    try {
      JobEvent event = parse_job_event(line, path.string() + ", line " + std::to_string(line_number));
      if (event.seq > after_seq) {
        events.push_back(std::move(event));
      }
    } catch (const Error&) {
      if (line_start != text.size()) {
        throw;
      }
    }
  }
  return events;
}

}  // namespace cce
