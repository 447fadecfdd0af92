#include "common/job/partition.h"

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"

namespace cce {

std::vector<SequenceRange> split_sequences(std::int64_t sequences, std::int64_t ranks) {
  if (ranks < 1 || ranks > sequences) {
    throw Error{
        .code = ErrorCode::out_of_range,
        .where = "resources.ranks",
        .found = std::to_string(ranks) + " ranks for " + std::to_string(sequences) + " sequences",
        .expected = "between 1 and the number of sequences",
        .remedy = "Use at most " + std::to_string(sequences) + " ranks, or more calibration.sequences"};
  }
  std::vector<SequenceRange> ranges;
  std::int64_t first = 0;
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    const std::int64_t count = sequences / ranks + (rank < sequences % ranks ? 1 : 0);
    ranges.push_back({.first = first, .count = count});
    first += count;
  }
  return ranges;
}

std::string to_json(const Partition& partition) {
  OrderedJson sequences = OrderedJson::array();
  for (const SequenceRange& range : partition.sequences) {
    sequences.push_back({{"first", range.first}, {"count", range.count}});
  }
  OrderedJson forecast = OrderedJson::array();
  for (const RankForecast& rank : partition.forecast) {
    OrderedJson stages = OrderedJson::array();
    for (const StageForecast& stage : rank.stages) {
      stages.push_back({{"stage", stage.stage}, {"seconds", stage.seconds}});
    }
    OrderedJson entry{{"peak_bytes", rank.peak_bytes}};
    if (rank.host_bytes > 0) {
      entry["host_bytes"] = rank.host_bytes;
    }
    entry["stages"] = stages;
    forecast.push_back(std::move(entry));
  }
  return pretty_json({{"schema_version", 1},
                      {"owner", partition.owner},
                      {"sequences", sequences},
                      {"micro_batch_sequences", partition.micro_batch_sequences},
                      {"chunk_sequences", partition.chunk_sequences},
                      {"forecast", forecast}});
}

namespace {

RankForecast parse_rank_forecast(JsonReader reader) {
  RankForecast forecast;
  forecast.peak_bytes = reader.required("peak_bytes").integer({.lowest = 0});
  forecast.host_bytes = reader.integer_or("host_bytes", 0, {.lowest = 0});
  for (JsonReader stage : reader.required("stages").items()) {
    forecast.stages.push_back({.stage = stage.required("stage").text(),
                               .seconds = stage.required("seconds").number({.lowest = 0.0})});
    stage.refuse_unknown_keys();
  }
  reader.refuse_unknown_keys();
  return forecast;
}

std::vector<SequenceRange> parse_sequences(const JsonReader& list) {
  std::vector<SequenceRange> ranges;
  std::int64_t next = 0;
  for (JsonReader range : list.items()) {
    const std::int64_t first = range.required("first").integer({.lowest = next, .highest = next});
    const std::int64_t count = range.required("count").integer({.lowest = 1, .highest = 1LL << 40});
    range.refuse_unknown_keys();
    ranges.push_back({.first = first, .count = count});
    next = first + count;
  }
  if (ranges.empty()) {
    list.refuse(ErrorCode::out_of_range, "at least one rank");
  }
  return ranges;
}

}  // namespace

Partition parse_partition(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  Partition partition;
  const JsonReader version = reader.required("schema_version");
  if (version.integer() != 1) {
    version.refuse(ErrorCode::unsupported, "1");
  }
  partition.sequences = parse_sequences(reader.required("sequences"));
  for (const std::int64_t rank :
       reader.required("owner").integers({.lowest = 0, .highest = partition.ranks() - 1})) {
    partition.owner.push_back(static_cast<std::int32_t>(rank));
  }
  partition.micro_batch_sequences =
      reader.required("micro_batch_sequences").integer({.lowest = 1, .highest = 1LL << 40});
  partition.chunk_sequences = reader.required("chunk_sequences").integer({.lowest = 1, .highest = 1LL << 40});
  const JsonReader forecast = reader.required("forecast");
  for (const JsonReader& rank : forecast.items()) {
    partition.forecast.push_back(parse_rank_forecast(rank));
  }
  if (!partition.forecast.empty() &&
      static_cast<std::int64_t>(partition.forecast.size()) != partition.ranks()) {
    forecast.refuse(ErrorCode::out_of_range,
                    "one entry for each of " + std::to_string(partition.ranks()) + " ranks");
  }
  reader.refuse_unknown_keys();
  return partition;
}

}  // namespace cce
