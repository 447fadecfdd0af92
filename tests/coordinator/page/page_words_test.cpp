#include "coordinator/page/page_words.h"

#include <gmock/gmock.h>

#include "common/base/json_reader.h"
#include "common/job/event_names.h"
#include "coordinator/store/job_state.h"

namespace cce {
namespace {

TEST(PageWords, are_the_tables) {
  std::string script(words_script());
  const std::size_t begin = script.find('{');
  const Json words = parse_json(script.substr(begin, script.rfind('}') + 1 - begin), "words.js");
  ASSERT_EQ(words["states"].size(), all_job_states.size());
  for (const JobState state : all_job_states) {
    const Json& described = words["states"][std::string(state_name(state))];
    EXPECT_EQ(described["final"], is_final(state)) << state_name(state);
    EXPECT_EQ(described["resumable"], next_state(state, JobAction::resume).has_value()) << state_name(state);
  }
  EXPECT_EQ(words["events"].size(), event_kinds().size());
  ASSERT_EQ(words["metrics"].size(), metric_table().size());
  EXPECT_EQ(words["metrics"][0]["name"], "attempt");
}

}  // namespace
}  // namespace cce
