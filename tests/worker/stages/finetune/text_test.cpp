#include "worker/stages/finetune/text.h"

#include <gtest/gtest.h>

#include <set>

#include "worker/stages/encode/refine.h"

namespace cce {
namespace {

TEST(TrainingOrder, texts_take_turns_and_each_passes_through_its_windows) {
  const TrainingOrder order(7, {5, 3});
  for (std::int64_t pass = 0; pass < 3; ++pass) {
    std::set<std::size_t> of_first;
    for (std::int64_t turn = 5 * pass; turn < 5 * (pass + 1); ++turn) {
      const TrainingOrder::Place place = order.at(2 * turn);
      EXPECT_EQ(place.text, 0U);
      of_first.insert(place.window);
    }
    EXPECT_EQ(of_first.size(), 5U) << "pass " << pass;
    std::set<std::size_t> of_second;
    for (std::int64_t turn = 3 * pass; turn < 3 * (pass + 1); ++turn) {
      const TrainingOrder::Place place = order.at(2 * turn + 1);
      EXPECT_EQ(place.text, 1U);
      of_second.insert(place.window);
    }
    EXPECT_EQ(of_second.size(), 3U) << "pass " << pass;
  }
}

std::vector<std::size_t> first_windows(std::uint64_t seed, std::int64_t from, std::int64_t to) {
  const TrainingOrder order(seed, {100});
  std::vector<std::size_t> result;
  for (std::int64_t position = from; position < to; ++position) {
    result.push_back(order.at(position).window);
  }
  return result;
}

TEST(TrainingOrder, is_a_function_of_seed_and_place) {
  EXPECT_EQ(first_windows(3, 0, 100), first_windows(3, 0, 100));
  EXPECT_NE(first_windows(3, 0, 100), first_windows(4, 0, 100));
  EXPECT_NE(first_windows(3, 0, 100), first_windows(3, 100, 200)) << "another order at each pass";
  const TrainingOrder order(3, {100});
  EXPECT_EQ(order.at(150).window, first_windows(3, 0, 200)[150]) << "asked out of order";
  EXPECT_EQ(order.at(7).window, first_windows(3, 0, 200)[7]);
}

TEST(RefineBatch, every_run_of_sequences_gives_one_and_all_come_round) {
  std::vector<std::int64_t> fitting;
  for (std::int64_t sequence = 0; sequence < 21; ++sequence) {
    fitting.push_back(2 * sequence);
  }
  std::set<std::int64_t> seen;
  for (std::int64_t step = 0; step < 6; ++step) {
    const std::vector<std::int64_t> batch = refine_batch(fitting, 4, step, 5);
    ASSERT_EQ(batch.size(), 4U);
    EXPECT_TRUE(std::is_sorted(batch.begin(), batch.end()));
    seen.insert(batch.begin(), batch.end());
  }
  EXPECT_EQ(seen.size(), fitting.size());
  EXPECT_EQ(refine_batch(fitting, 4, 2, 5), refine_batch(fitting, 4, 2, 5));
}

}  // namespace
}  // namespace cce
