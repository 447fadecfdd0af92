#include "coordinator/service/job_verdict.h"

#include <gtest/gtest.h>

namespace cce {
namespace {

JobOutcome said_done() {
  return {.done = true, .cancelled = false, .error = std::nullopt};
}
JobOutcome said_cancelled() {
  return {.done = false, .cancelled = true, .error = std::nullopt};
}
JobOutcome said_error(ErrorCode code) {
  const Error error{.code = code, .where = "rank 1", .found = "", .expected = "", .remedy = ""};
  return {.done = false, .cancelled = false, .error = error};
}

struct VerdictRow {
  const char* name;
  RunEnd end;
  JobOutcome outcome;
  bool is_cancelling;
  JobAction action;
  std::optional<ErrorCode> code;
};

TEST(JobVerdict, follows_its_table) {
  using enum RunEnd;
  using enum JobAction;
  const VerdictRow rows[] = {
      {"done", exited, said_done(), false, see_completed, {}},
      {"done_as_the_cancel_came", cancelled, said_done(), true, see_completed, {}},
      {"scancel", cancelled, {}, false, see_cancelled, ErrorCode::cancelled},
      {"scancel_and_a_rank_that_missed_another", cancelled, said_error(ErrorCode::worker_died), false,
       see_cancelled, ErrorCode::cancelled},
      {"own_terminate", cancelled, {}, true, see_cancelled, {}},
      {"time_over", timed_out, {}, false, see_failed, ErrorCode::deadline_exceeded},
      {"stopped_for_time_and_not_repeated", timed_out, said_cancelled(), false, see_failed,
       ErrorCode::deadline_exceeded},
      {"stopped_for_a_user", exited, said_cancelled(), true, see_cancelled, {}},
      {"stopped_by_hand", exited, said_cancelled(), false, see_cancelled, {}},
      {"error", exited, said_error(ErrorCode::does_not_fit), false, see_failed, ErrorCode::does_not_fit},
      {"no_word_while_cancelling", signalled, {}, true, see_cancelled, {}},
      {"node", node_failed, {}, false, see_failed, ErrorCode::worker_died},
      {"memory", out_of_memory, {}, false, see_failed, ErrorCode::does_not_fit},
      {"vanished_while_cancelling", vanished, {}, true, see_vanished, ErrorCode::worker_died},
      {"died", signalled, {}, false, see_failed, ErrorCode::worker_died},
  };
  for (const VerdictRow& row : rows) {
    RunState run;
    run.phase = RunPhase::ended;
    run.end = row.end;
    const JobVerdict verdict = judge_end(run, row.outcome, row.is_cancelling, "/no/log");
    EXPECT_EQ(action_name(verdict.action), action_name(row.action)) << row.name;
    ASSERT_EQ(verdict.error.has_value(), row.code.has_value()) << row.name;
    if (row.code) {
      EXPECT_EQ(error_name(verdict.error->code), error_name(*row.code)) << row.name;
    }
  }
}

}  // namespace
}  // namespace cce
