#include "coordinator/store/job_state.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace cce {
namespace {

using Cell = std::pair<JobState, JobAction>;

std::map<Cell, JobState> table() {
  std::map<Cell, JobState> cells;
  for (const JobTransition& transition : job_transitions()) {
    const bool is_new = cells.emplace(Cell(transition.from, transition.action), transition.to).second;
    EXPECT_TRUE(is_new) << state_name(transition.from) << " " << static_cast<int>(transition.action)
                        << " twice";
  }
  return cells;
}

TEST(JobStateTable, every_cell_is_what_next_state_says) {
  const std::map<Cell, JobState> cells = table();
  for (const JobState from : all_job_states) {
    for (const JobAction action : all_job_actions) {
      const auto cell = cells.find({from, action});
      const std::optional<JobState> expected =
          cell == cells.end() ? std::nullopt : std::optional(cell->second);
      EXPECT_EQ(next_state(from, action), expected) << state_name(from) << " " << static_cast<int>(action);
    }
  }
}

/// What the service promises its users, read from the table.
TEST(JobStateTable, promises_hold_in_every_state) {
  for (const JobState state : all_job_states) {
    SCOPED_TRACE(state_name(state));
    const bool may_cancel = next_state(state, JobAction::request_cancel).has_value();
    const bool may_resume = next_state(state, JobAction::resume).has_value();
    EXPECT_EQ(may_cancel, is_active(state) ? state != JobState::cancelling
                                           : state == JobState::queued || state == JobState::lost);
    EXPECT_EQ(may_resume, is_final(state) && state != JobState::completed);
    // Only a queued job is ever handed to the scheduler, and only a user's resume makes one queued again.
    EXPECT_EQ(next_state(state, JobAction::submit).has_value(), state == JobState::queued);
    for (const JobAction action : all_job_actions) {
      if (next_state(state, action) == JobState::queued) {
        EXPECT_EQ(action, JobAction::resume);
      }
    }
    // An active job's end is never refused, however it comes.
    for (const JobAction end : {JobAction::see_completed, JobAction::see_failed, JobAction::see_cancelled,
                                JobAction::see_vanished}) {
      if (is_active(state)) {
        ASSERT_TRUE(next_state(state, end).has_value()) << static_cast<int>(end);
        EXPECT_TRUE(is_final(*next_state(state, end)));
      }
    }
    EXPECT_FALSE(is_active(state) && is_final(state));
  }
  for (const JobAction action : all_job_actions) {
    EXPECT_EQ(next_state(JobState::completed, action), std::nullopt) << static_cast<int>(action);
  }
}

TEST(JobStateTable, every_state_is_reached_and_can_end) {
  std::set<JobState> reached{JobState::queued};
  for (std::size_t before = 0; before != reached.size();) {
    before = reached.size();
    for (const JobTransition& transition : job_transitions()) {
      if (reached.contains(transition.from)) {
        reached.insert(transition.to);
      }
    }
  }
  EXPECT_EQ(reached.size(), all_job_states.size());
}

TEST(JobStateTable, names_read_back) {
  std::set<std::string_view> names;
  for (const JobState state : all_job_states) {
    names.insert(state_name(state));
    EXPECT_EQ(parse_state(state_name(state)), state);
  }
  EXPECT_EQ(names.size(), all_job_states.size());
  EXPECT_EQ(parse_state("Queued"), std::nullopt);
}

}  // namespace
}  // namespace cce
