// The engine against everything that can go wrong between it and the scheduler: each call fails once, and the
// process ends at each call and at each look at the clock (one stands before every transaction). Whatever
// happens, at the end every job has completed, was submitted once and started once an attempt, and whoever
// followed its stream has every item once.
#include "tests/coordinator/service/engine_faults.h"

namespace cce {
namespace {

struct FaultRow {
  const char* name;
  bool after, killed;
  ErrorCode code;
};
class SchedulerFaults : public EngineFaults, public ::testing::WithParamInterface<FaultRow> {};

TEST_P(SchedulerFaults, at_every_call) {
  std::int64_t calls = 1;
  for (std::int64_t call = 1; call <= calls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    begin_world();
    cluster_.fault = {
        .call = call, .after = GetParam().after, .killed = GetParam().killed, .code = GetParam().code};
    run_world();
    check_world();
    if (HasFailure()) {
      return;
    }
    calls = cluster_.calls;
  }
  EXPECT_GT(calls, 10);
  EXPECT_EQ(deaths_ > 0, GetParam().killed);
}

const FaultRow fault_rows[] = {
    {"fails_before_its_effect", false, false, ErrorCode::io_failure},
    {"fails_after_its_effect", true, false, ErrorCode::deadline_exceeded},
    {"process_ends_before_its_effect", false, true, ErrorCode::io_failure},
    {"process_ends_after_its_effect", true, true, ErrorCode::io_failure},
};
INSTANTIATE_TEST_SUITE_P(Engine, SchedulerFaults, ::testing::ValuesIn(fault_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(EngineFaults, the_process_ends_before_every_transaction) {
  std::int64_t reads = 1;
  for (std::int64_t read = 1; read <= reads; read += read < 12 ? 1 : 4) {
    SCOPED_TRACE("clock read " + std::to_string(read));
    begin_world();
    kill_at_clock_read_ = read;
    run_world();
    check_world();
    if (HasFailure()) {
      return;
    }
    reads = std::max(reads, std::min<std::int64_t>(clock_reads_, 60));
  }
  EXPECT_GE(deaths_, 12);
}

TEST_F(EngineFaults, the_process_ends_again_and_again) {
  for (int every = 6; every <= 14; every += 4) {
    SCOPED_TRACE("every " + std::to_string(every) + " reads of the clock");
    begin_world();
    create_jobs();
    for (int i = 0; i < 200 && !all_completed(); ++i) {
      kill_at_clock_read_ = clock_reads_ + 1 + i % every;
      survive([&] { service_->step(); });
      kill_at_clock_read_ = 0;
      for (const std::string& id : ids_) {
        followers_[id].read(*service_, id);
      }
      cluster_.tick();
      now_ += 1.0;
    }
    check_world();
  }
}

TEST_F(EngineFaults, an_unreachable_scheduler_is_tried_for_a_while) {
  const std::string id = create();
  const auto unreachable = [&] { cluster_.fault = {.call = cluster_.calls + 1}; };
  for (int i = 0; i < 90; ++i) {
    unreachable();
    service_->step();
    now_ += 1.0;
  }
  EXPECT_EQ(state(id), JobState::submitting);
  EXPECT_THAT(service_->get(id)->waiting_reason, ::testing::HasSubstr("planted failure"));
  for (int i = 0; i < 90; ++i) {
    unreachable();
    service_->step();
    now_ += 1.0;
  }
  EXPECT_EQ(state(id), JobState::lost);
  EXPECT_GT(service_->metrics().scheduler_errors_by_call.at("find"), 3U);
  cluster_.fault = {};
  now_ = now_ + 100.0;
  service_->step();
  EXPECT_EQ(state(id), JobState::lost) << "only a user starts it again";
  EXPECT_TRUE(cluster_.runs.empty());
  EXPECT_EQ(service_->resume(id)->state, JobState::queued);
  reach(id, JobState::completed);
  EXPECT_EQ(cluster_.runs.size(), 1U);
}

TEST_F(EngineFaults, a_run_behind_an_unreachable_scheduler_is_found_in_the_end) {
  const std::string id = create();
  cluster_.fault = {.call = 1, .after = true};
  service_->step();
  for (int i = 0; i < 200; ++i) {
    cluster_.fault = {.call = cluster_.calls + 1};
    now_ = now_ + 1.0;
    service_->step();
  }
  ASSERT_EQ(state(id), JobState::lost);
  now_ = now_ + 100.0;
  reach(id, JobState::completed, 200);
  EXPECT_EQ(cluster_.submissions.at("cce-" + id + "-1"), 1);
}

TEST_F(EngineFaults, a_cancel_is_not_forgotten_while_the_scheduler_is_unreachable) {
  const std::string id = create();
  cluster_.fault = {.call = 1, .after = true};
  service_->step();
  service_->cancel(id);
  for (int i = 0; i < 200; ++i) {
    cluster_.fault = {.call = cluster_.calls + 1};
    now_ = now_ + 1.0;
    service_->step();
  }
  EXPECT_EQ(state(id), JobState::cancelling);
  EXPECT_EQ(cluster_.runs.size(), 1U);
  reach(id, JobState::cancelled, 200);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "data/jobs" / id / "result"));
}

TEST_F(EngineFaults, what_may_still_turn_up_is_waited_for) {
  cluster_.traits.settle_seconds = 5.0;
  restart();
  const std::string id = create();
  cluster_.fault = {.call = 1, .killed = true};  // submit: sbatch was started, and nobody knows
  survive([&] { service_->step(); });
  service_->step();
  EXPECT_EQ(cluster_.submissions.size(), 0U) << "it might still turn up";
  now_ += 4.0;
  service_->step();
  EXPECT_EQ(cluster_.submissions.size(), 0U);
  now_ += 2.0;
  service_->step();
  EXPECT_EQ(cluster_.submissions.size(), 1U);
  reach(id, JobState::completed);
}

TEST_F(EngineFaults, a_scheduler_that_submits_once_need_not_be_waited_for) {
  cluster_.traits.settle_seconds = 1000.0;
  cluster_.traits.submits_once = true;
  restart();
  const std::string id = create();
  cluster_.fault = {.call = 1, .killed = true};
  survive([&] { service_->step(); });
  service_->step();
  EXPECT_EQ(cluster_.submissions.size(), 1U);
  reach(id, JobState::completed);
}

TEST_F(EngineFaults, a_cancel_between_submit_and_answer_ends_the_run) {
  const std::string id = create();
  cluster_.fault = {.call = 1, .after = true, .killed = true};
  survive([&] { service_->step(); });
  ASSERT_EQ(cluster_.runs.size(), 1U);
  EXPECT_EQ(service_->cancel(id)->state, JobState::cancelling);
  for (int i = 0; i < 10 && state(id) != JobState::cancelled; ++i) {
    round();
  }
  EXPECT_EQ(state(id), JobState::cancelled);
  EXPECT_TRUE(run_of(id).state.ended());
}

TEST_F(EngineFaults, a_refused_submission_fails_its_job_and_nothing_else) {
  const std::string refused = create();
  cluster_.fault = {.call = 1, .code = ErrorCode::unsupported};
  service_->step();
  EXPECT_EQ(state(refused), JobState::failed);
  EXPECT_EQ(service_->get(refused)->error->code, ErrorCode::unsupported);
  const std::string next = create(1);
  reach(next, JobState::completed);
}

TEST_F(EngineFaults, a_job_folder_that_cannot_be_made_fails_its_job) {
  const std::string id = create();
  std::ofstream(folder_ / "data/jobs" / id) << "in the way";
  service_->step();
  EXPECT_EQ(state(id), JobState::failed);
  std::filesystem::remove(folder_ / "data/jobs" / id);
  service_->resume(id);
  reach(id, JobState::completed);
}

}  // namespace
}  // namespace cce
