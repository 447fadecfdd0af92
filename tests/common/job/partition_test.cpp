#include "common/job/partition.h"

#include <gtest/gtest.h>

#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

struct SplitRow {
  std::int64_t sequences, ranks;
  std::vector<std::int64_t> counts;
};

TEST(PartitionTest, sequences_are_split_nearly_equally) {
  const SplitRow rows[] = {{4, 1, {4}}, {5, 2, {3, 2}}, {7, 3, {3, 2, 2}}, {3, 3, {1, 1, 1}}};
  for (const SplitRow& row : rows) {
    const std::vector<SequenceRange> ranges = split_sequences(row.sequences, row.ranks);
    std::int64_t next = 0;
    ASSERT_EQ(ranges.size(), row.counts.size());
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      EXPECT_EQ(ranges[i].first, next);
      EXPECT_EQ(ranges[i].count, row.counts[i]);
      next += ranges[i].count;
    }
    EXPECT_EQ(next, row.sequences);
  }
}

TEST(PartitionTest, more_ranks_than_sequences_names_the_largest_useful_count) {
  expect_error([] { split_sequences(3, 4); }, ErrorCode::out_of_range, "at most 3 ranks");
  expect_error([] { split_sequences(3, 0); }, ErrorCode::out_of_range, "resources.ranks");
}

Partition example() {
  Partition partition;
  partition.owner = {0, 1, 1};
  partition.sequences = split_sequences(5, 2);
  partition.micro_batch_sequences = 2;
  partition.chunk_sequences = 4;
  partition.forecast = {
      {.peak_bytes = 1LL << 33, .host_bytes = 1LL << 31, .stages = {{.stage = "calibrate", .seconds = 1.5}}},
      {.peak_bytes = 10, .host_bytes = 0, .stages = {}}};
  return partition;
}

TEST(PartitionTest, text_reads_back_equal) {
  const std::string text = to_json(example());
  const Partition read_back = parse_partition(text, "partition.json");
  EXPECT_EQ(to_json(read_back), text);
  EXPECT_EQ(read_back.owner, example().owner);
  EXPECT_EQ(read_back.forecast[0].peak_bytes, 1LL << 33);
  EXPECT_EQ(read_back.forecast[0].host_bytes, 1LL << 31);
  EXPECT_EQ(read_back.forecast[1].host_bytes, 0);
  EXPECT_EQ(read_back.forecast[0].stages[0].seconds, 1.5);
}

TEST(PartitionTest, damaged_text_is_refused) {
  const Json good = parse_json(to_json(example()), "partition.json");
  const std::pair<const char*, Json> rows[] = {
      {"/owner/0", 2},         {"/sequences/1/first", 2}, {"/sequences/0/count", 0},     {"/forecast", {{1}}},
      {"/chunk_sequences", 0}, {"/schema_version", 2},    {"/sequences", Json::array()}, {"/ownr", 1}};
  for (const auto& [pointer, value] : rows) {
    Json damaged = good;
    damaged[Json::json_pointer(pointer)] = value;
    EXPECT_THROW(parse_partition(damaged.dump(), "partition.json"), Error) << pointer;
  }
}

}  // namespace
}  // namespace cce
