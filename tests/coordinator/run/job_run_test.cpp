#include "coordinator/run/job_run.h"

#include <gmock/gmock.h>

#include <fstream>

#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using ::testing::HasSubstr;

JobEvent event_of(EventKind kind) {
  JobEvent event;
  event.kind = kind;
  return event;
}

LastWord said(EventKind kind) {
  LastWord word;
  word.take(event_of(kind));
  return word;
}
LastWord said_error(ErrorCode code) {
  JobEvent event = event_of(EventKind::error);
  event.error = Error{.code = code, .where = "rank 1"};
  LastWord word;
  word.take(event);
  return word;
}

RunState ended(RunEnd end) {
  return {.phase = RunPhase::ended, .end = end};
}

constexpr double any_time = 1000.0;

std::string_view name_of(RunResult result) {
  switch (result) {
    case RunResult::completed:
      return "completed";
    case RunResult::failed:
      return "failed";
    case RunResult::cancelled:
      return "cancelled";
    case RunResult::vanished:
      return "vanished";
  }
  return "";
}

struct VerdictRow {
  const char* name;
  RunEnd end;
  LastWord word;
  StopRequest stop;
  RunResult result;
  std::optional<ErrorCode> code;
};

TEST(JobRun, follows_its_table) {
  using enum RunEnd;
  using enum StopRequest;
  const LastWord silence;
  const VerdictRow rows[] = {
      {"done", exited, said(EventKind::done), none, RunResult::completed, {}},
      {"done_as_the_cancel_came", cancelled, said(EventKind::done), by_user, RunResult::completed, {}},
      {"done_as_the_time_ran_out", timed_out, said(EventKind::done), out_of_time, RunResult::completed, {}},
      {"scancel", cancelled, silence, none, RunResult::cancelled, ErrorCode::cancelled},
      {"scancel_and_a_rank_that_missed_another", cancelled, said_error(ErrorCode::worker_died), none,
       RunResult::cancelled, ErrorCode::cancelled},
      {"own_terminate", cancelled, silence, by_user, RunResult::cancelled, {}},
      {"time_over", timed_out, silence, none, RunResult::failed, ErrorCode::deadline_exceeded},
      {"stopped_for_time_by_the_scheduler", timed_out, said(EventKind::cancelled), none, RunResult::failed,
       ErrorCode::deadline_exceeded},
      {"stopped_for_time_by_us", exited, said(EventKind::cancelled), out_of_time, RunResult::failed,
       ErrorCode::deadline_exceeded},
      {"ended_for_time_by_us", signalled, silence, out_of_time, RunResult::failed,
       ErrorCode::deadline_exceeded},
      {"ended_for_time_and_a_rank_that_missed_another", exited, said_error(ErrorCode::worker_died),
       out_of_time, RunResult::failed, ErrorCode::deadline_exceeded},
      {"time_over_while_cancelling", timed_out, silence, by_user, RunResult::cancelled, {}},
      {"stopped_for_a_user", exited, said(EventKind::cancelled), by_user, RunResult::cancelled, {}},
      {"stopped_by_hand", exited, said(EventKind::cancelled), none, RunResult::cancelled, {}},
      {"stopped_by_an_error_cancelled",
       exited,
       said_error(ErrorCode::cancelled),
       none,
       RunResult::cancelled,
       {}},
      {"error", exited, said_error(ErrorCode::does_not_fit), none, RunResult::failed,
       ErrorCode::does_not_fit},
      {"no_word_while_cancelling", signalled, silence, by_user, RunResult::cancelled, {}},
      {"node", node_failed, silence, none, RunResult::failed, ErrorCode::worker_died},
      {"memory", out_of_memory, silence, none, RunResult::failed, ErrorCode::does_not_fit},
      {"vanished_while_cancelling", vanished, silence, by_user, RunResult::vanished, ErrorCode::worker_died},
      {"died", signalled, silence, none, RunResult::failed, ErrorCode::worker_died},
  };
  for (const VerdictRow& row : rows) {
    JobRun run("/no/log", {.where = "the run", .remedy = "Resume it."});
    const std::optional<RunVerdict> verdict = run.judge(ended(row.end), row.word, row.stop, any_time);
    ASSERT_TRUE(verdict.has_value()) << row.name;
    EXPECT_EQ(name_of(verdict->result), name_of(row.result)) << row.name;
    ASSERT_EQ(verdict->error.has_value(), row.code.has_value()) << row.name;
    if (row.code) {
      EXPECT_EQ(error_name(verdict->error->code), error_name(*row.code)) << row.name;
    }
  }
}

TEST(JobRun, a_quiet_success_is_waited_for) {
  JobRun run("/no/log", {});
  RunState state = ended(RunEnd::exited);
  state.exit_status = 0;
  EXPECT_FALSE(run.judge(state, {}, StopRequest::none, 100.0).has_value());
  EXPECT_FALSE(run.judge(state, {}, StopRequest::none, 104.9).has_value());
  const std::optional<RunVerdict> late = run.judge(state, said(EventKind::done), StopRequest::none, 104.9);
  ASSERT_TRUE(late.has_value()) << "the last word came";
  EXPECT_EQ(name_of(late->result), "completed");
  const std::optional<RunVerdict> never = run.judge(state, {}, StopRequest::none, 105.1);
  ASSERT_TRUE(never.has_value());
  EXPECT_THAT(never->error->found, HasSubstr("without a last word"));
}

TEST(JobRun, a_requeue_takes_the_last_word_back) {
  LastWord word = said_error(ErrorCode::worker_died);
  EXPECT_TRUE(word.spoken());
  word.take(event_of(EventKind::started));
  EXPECT_FALSE(word.spoken());
  word.take(event_of(EventKind::progress));
  EXPECT_FALSE(word.spoken());
}

TEST(JobRun, a_death_is_told_with_the_end_of_the_log_and_the_remedy) {
  const TemporaryFolder folder;
  std::ofstream(folder / "log") << "out of cheese\n";
  JobRun run(folder / "log", {.where = "/jobs/1", .remedy = "Continue with 'cce resume /jobs/1'."});
  RunState state = ended(RunEnd::signalled);
  state.signal = 9;
  const std::optional<RunVerdict> verdict = run.judge(state, {}, StopRequest::none, any_time);
  ASSERT_TRUE(verdict && verdict->error);
  EXPECT_EQ(describe(*verdict->error),
            "worker_died at /jobs/1: found signal 9; the end of its log:\n  out of cheese\nContinue with "
            "'cce resume /jobs/1'.");
}

TEST(JobRun, a_rank_that_ended_first_says_why_where_rank_0_could_not) {
  std::optional<Error> written = Error{.code = ErrorCode::text_too_short, .where = "text.txt"};
  JobRun run("/no/log", {}, [&] { return written; });
  const auto verdict = [&](const LastWord& word, StopRequest stop = StopRequest::none) {
    RunState state = ended(RunEnd::exited);
    state.exit_status = 2;
    return *run.judge(state, word, stop, any_time);
  };
  for (const LastWord& word :
       {LastWord(), said_error(ErrorCode::worker_died), said_error(ErrorCode::deadline_exceeded)}) {
    EXPECT_EQ(name_of(verdict(word).result), "failed");
    EXPECT_EQ(verdict(word).error->where, "text.txt");
  }
  EXPECT_EQ(verdict(said_error(ErrorCode::does_not_fit)).error->where, "rank 1") << "rank 0's own cause";
  EXPECT_EQ(name_of(verdict({}, StopRequest::by_user).result), "cancelled");
  written->code = ErrorCode::worker_died;
  EXPECT_EQ(error_name(verdict({}).error->code), "worker_died");
  EXPECT_NE(verdict({}).error->where, "text.txt") << "what a rank saw of another's end explains nothing";
  written->code = ErrorCode::cancelled;
  EXPECT_EQ(name_of(verdict({}).result), "cancelled");
  written.reset();
  EXPECT_EQ(error_name(verdict({}).error->code), "worker_died");
}

TEST(JobRun, unreadable_events_explain_an_end_without_an_error) {
  JobRun run("/no/log", {});
  run.events_unreadable({.code = ErrorCode::malformed_file, .where = "event 7"});
  EXPECT_EQ(run.judge(ended(RunEnd::signalled), {}, StopRequest::none, any_time)->error->where, "event 7");
  EXPECT_EQ(run.judge(ended(RunEnd::exited), said_error(ErrorCode::does_not_fit), StopRequest::none, any_time)
                ->error->where,
            "rank 1");
}

}  // namespace
}  // namespace cce
