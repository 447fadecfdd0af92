#include "worker/run/stage_order.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cce {
namespace {

using enum Stage;
using ::testing::ElementsAreArray;
constexpr StageAction skip = StageAction::skip, load = StageAction::load, run = StageAction::run;

/// Which stages of a compression have a state, and what is done about each.
struct OrderRow {
  const char* name;
  bool calibrate_state, analyze_state, make_plan_state, encode_state;
  std::vector<StageAction> expected;  ///< calibrate, analyze, make_plan, encode, evaluate
};

const OrderRow rows[] = {
    {"nothing_there", false, false, false, false, {run, run, run, run, run}},
    {"sums_kept", true, false, false, false, {load, run, run, run, run}},
    {"sums_and_analysis", true, true, false, false, {load, load, run, run, run}},
    {"analysis_without_sums", false, true, false, false, {run, load, run, run, run}},
    {"planned", false, true, true, false, {skip, load, load, run, run}},
    {"planned_with_sums", true, true, true, false, {skip, load, load, run, run}},
    {"planned_without_analysis", true, false, true, false, {load, run, load, run, run}},
    {"encoded", false, true, true, true, {skip, load, load, load, run}},
};

class StageOrder : public ::testing::TestWithParam<OrderRow> {};

TEST_P(StageOrder, goes_on_at_the_first_stage_whose_state_is_missing) {
  const OrderRow& row = GetParam();
  const std::vector<StageEntry> entries = {
      {calibrate, {}, false, row.calibrate_state},
      {analyze, {calibrate}, true, row.analyze_state},
      {make_plan, {calibrate, analyze}, true, row.make_plan_state},
      {encode, {make_plan}, true, row.encode_state},
      {evaluate, {encode, finetune}, true, false},
  };
  EXPECT_THAT(choose_actions(entries), ElementsAreArray(row.expected));
}

INSTANTIATE_TEST_SUITE_P(States, StageOrder, ::testing::ValuesIn(rows),
                         [](const auto& instance) { return instance.param.name; });

TEST(StageOrder, an_analysis_alone_needs_no_sums_where_it_is_there) {
  const std::vector<StageEntry> entries = {{calibrate, {}, false, false}, {analyze, {calibrate}, true, true}};
  EXPECT_THAT(choose_actions(entries), ::testing::ElementsAre(skip, load));
}

}  // namespace
}  // namespace cce
