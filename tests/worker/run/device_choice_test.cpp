#include "worker/run/device_choice.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"

namespace cce {
namespace {

const RankDevices no_gpu{.host = "c", .gpus = {}, .refusal = "no NVIDIA driver"};
const RankDevices hidden{.host = "c", .gpus = {}, .refusal = {}};

RankDevices on(const std::string& host, std::vector<std::string> gpus) {
  return {.host = host, .gpus = std::move(gpus), .refusal = {}};
}

struct ChoiceRow {
  const char* name;
  std::string requested;
  std::vector<RankDevices> ranks;
  std::vector<DeviceChoice> expected;
};

TEST(DeviceChoice, ranks_of_a_host_take_its_gpus_in_turn) {
  const RankDevices two = on("a", {"u0 X", "u1 X"}), one = on("b", {"u2 X"});
  const ChoiceRow rows[] = {
      {"cpu is cpu", "cpu", {two, two}, {{}, {}}},
      {"one each", "cuda", {two, two}, {{true, 0, 1}, {true, 1, 1}}},
      {"two hosts", "cuda", {two, one, two}, {{true, 0, 1}, {true, 0, 1}, {true, 1, 1}}},
      {"more ranks than GPUs", "cuda", {two, two, two}, {{true, 0, 2}, {true, 1, 1}, {true, 0, 2}}},
      {"each sees its own", "cuda", {on("a", {"u0 X"}), on("a", {"u1 X"})}, {{true, 0, 1}, {true, 0, 1}}},
      {"both see the same", "auto", {one, one}, {{true, 0, 2}, {true, 0, 2}}},
      {"same identity elsewhere", "auto", {on("a", {"u X"}), on("b", {"u X"})}, {{true, 0, 1}, {true, 0, 1}}},
      {"auto needs all", "auto", {two, no_gpu}, {{}, {}}},
  };
  for (const ChoiceRow& row : rows) {
    for (std::size_t rank = 0; rank < row.ranks.size(); ++rank) {
      const DeviceChoice found = choose_device(row.requested, row.ranks, static_cast<int>(rank));
      EXPECT_EQ(found.cuda, row.expected[rank].cuda) << row.name << ", rank " << rank;
      EXPECT_EQ(found.index, row.expected[rank].index) << row.name << ", rank " << rank;
      EXPECT_EQ(found.sharers, row.expected[rank].sharers) << row.name << ", rank " << rank;
    }
  }
}

TEST(DeviceChoice, auto_that_leaves_a_gpu_or_a_driver_aside_says_why) {
  const auto note = [](const std::vector<RankDevices>& ranks) {
    return choose_device("auto", ranks, 0).note;
  };
  const RankDevices seen = on("a", {"u0 X"}), old{.host = "c", .gpus = {}, .refusal = "a driver for CUDA 9"};
  EXPECT_EQ(note({seen}), "");
  EXPECT_EQ(note({hidden, hidden}), "") << "a machine without GPUs";
  EXPECT_EQ(note({seen, hidden}), "resources.device auto computes on CPUs: rank 1 on c has no GPU");
  EXPECT_EQ(note({old}),
            "resources.device auto computes on CPUs: rank 0 on c has no GPU: a driver for CUDA 9");
  EXPECT_EQ(choose_device("cpu", {old}, 0).note, "");
}

TEST(DeviceChoice, cuda_without_a_gpu_names_the_rank_and_why) {
  for (const auto& [ranks, reason] :
       {std::pair<std::vector<RankDevices>, std::string>{{on("a", {"u X"}), no_gpu}, "no NVIDIA driver"},
        {{on("a", {"u X"}), hidden}, "CUDA_VISIBLE_DEVICES"}}) {
    for (const int rank : {0, 1}) {  // every rank says the same
      try {
        choose_device("cuda", ranks, rank);
        ADD_FAILURE() << reason;
      } catch (const Error& error) {
        EXPECT_EQ(error.code, ErrorCode::unsupported);
        EXPECT_EQ(error.where, "resources.device");
        EXPECT_NE(error.found.find("rank 1 on c"), std::string::npos) << error.found;
        EXPECT_NE(error.found.find(reason), std::string::npos) << error.found;
      }
    }
  }
}

TEST(DeviceChoice, what_a_rank_says_crosses_as_text) {
  for (const RankDevices& sent : {on("host", {"u0 NVIDIA H100 80GB HBM3", "u1 X"}), no_gpu, hidden}) {
    const RankDevices received = parse_rank_devices(to_text(sent));
    EXPECT_EQ(received.host, sent.host);
    EXPECT_EQ(received.gpus, sent.gpus);
    EXPECT_EQ(received.refusal, sent.refusal);
  }
  EXPECT_EQ(parse_rank_devices(to_text({"h", {}, "two\nlines"})).refusal, "two lines");
}

}  // namespace
}  // namespace cce
