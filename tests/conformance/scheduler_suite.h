#pragma once
/// The cases that every Scheduler must pass. A new implementation writes a SchedulerPlace and instantiates
/// SchedulerSuite with it; it adds no test. Runs are of tests/coordinator/fake_worker.cpp, which does what
/// the file JOB/fake-mode says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <sstream>
#include <string>

#include "coordinator/scheduler/scheduler.h"
#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce::scheduler_suite {

/// Where runs live: a folder of records, or a cluster. open() gives a new Scheduler over it, as after a
/// restart.
class SchedulerPlace {
 public:
  virtual ~SchedulerPlace() = default;
  virtual std::unique_ptr<Scheduler> open() = 0;
  virtual std::filesystem::path worker() const = 0;  ///< the fake worker, where runs can execute it
  virtual std::filesystem::path jobs() const = 0;    ///< a folder that runs can read and write
  virtual double deadline_seconds() const = 0;       ///< for a state to show what has happened
  /// Ends a run as someone else would: scancel, kill.
  virtual void end_outside(const std::string& id) = 0;
};

struct SchedulerCase {
  std::string name;
  std::function<std::unique_ptr<SchedulerPlace>()> make;  ///< nullptr where this machine cannot: skipped
  bool counts_seconds = true;  ///< whether a time limit of seconds is kept to seconds
};
inline std::ostream& operator<<(std::ostream& out, const SchedulerCase& value) {
  return out << value.name;
}
inline std::string case_name(const testing::TestParamInfo<SchedulerCase>& info) {
  return info.param.name;
}

class SchedulerSuite : public testing::TestWithParam<SchedulerCase> {
 protected:
  void SetUp() override {
    place_ = GetParam().make();
    if (place_ == nullptr) {
      GTEST_SKIP() << GetParam().name << " cannot run on this machine";
    }
    scheduler_ = place_->open();
  }
  void TearDown() override {
    if (scheduler_ != nullptr && !last_id_.empty()) {
      scheduler_->terminate(last_id_);
      wait_for(last_id_, RunPhase::ended);
    }
  }

  Launch launch(const std::string& mode, std::int64_t ranks = 1) {
    static int counter = 0;
    const auto ticks = std::chrono::system_clock::now().time_since_epoch().count();
    Launch result;
    result.name = "cce-suite" + std::to_string(ticks) + "x" + std::to_string(++counter) + "-1";
    result.job_dir = place_->jobs() / result.name;
    result.worker = place_->worker();
    result.ranks = ranks;
    result.binding = Binding::none;
    std::filesystem::create_directories(result.job_dir / "control");
    std::ofstream(result.job_dir / "fake-mode") << mode;
    return result;
  }

  std::string submit(const Launch& launch) {
    last_id_ = scheduler_->submit(launch);
    return last_id_;
  }

  /// Drops the scheduler without a word and opens another.
  void restart() {
    scheduler_.reset();
    scheduler_ = place_->open();
  }

  RunState wait_for(const std::string& id, RunPhase phase) {
    RunState state = scheduler_->state(id);
    wait_until([&] { return (state = scheduler_->state(id)).phase == phase || state.ended(); });
    EXPECT_EQ(static_cast<int>(state.phase), static_cast<int>(phase)) << state.reason;
    return state;
  }

  bool wait_until(const std::function<bool()>& holds) const {
    const auto start = std::chrono::steady_clock::now();
    const std::chrono::duration<double> deadline(place_->deadline_seconds());
    while (!holds()) {
      if (std::chrono::steady_clock::now() - start > deadline) {
        return false;
      }
      ::poll(nullptr, 0, 10);
    }
    return true;
  }

  static std::string text_of(const std::filesystem::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text.str();
  }

  std::unique_ptr<SchedulerPlace> place_;
  std::unique_ptr<Scheduler> scheduler_;
  std::string last_id_;
};

TEST_P(SchedulerSuite, a_run_ends_with_success_and_stays_known) {
  const Launch request = launch("done", 2);
  EXPECT_EQ(scheduler_->find(request.name), std::nullopt);
  const std::string id = submit(request);
  EXPECT_FALSE(id.empty());
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_EQ(state.end, RunEnd::exited);
  EXPECT_EQ(state.exit_status, 0);
  EXPECT_TRUE(std::filesystem::exists(request.job_dir / "result/report.json"));
  EXPECT_EQ(scheduler_->find(request.name), id);
  restart();
  EXPECT_EQ(scheduler_->find(request.name), id);
  EXPECT_EQ(scheduler_->state(id).exit_status, 0);
}

TEST_P(SchedulerSuite, a_bad_end_is_told_with_its_log) {
  const Launch request = launch("die");
  const RunState state = wait_for(submit(request), RunPhase::ended);
  EXPECT_EQ(state.end, RunEnd::exited);
  EXPECT_NE(state.exit_status.value_or(0), 0);
  EXPECT_TRUE(wait_until([&] {
    const std::string log = text_of(request.job_dir / "logs" / "attempt-1.log");
    return log.find("a last word on stderr") != std::string::npos;
  }));
}

TEST_P(SchedulerSuite, terminate_ends_a_run_that_ignores_signals) {
  const std::string id = submit(launch("hang", 2));
  wait_for(id, RunPhase::running);
  scheduler_->terminate(id);
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_NE(state.exit_status.value_or(1), 0);
  scheduler_->terminate(id);  // nothing to do
}

TEST_P(SchedulerSuite, a_run_goes_on_over_a_restart) {
  const Launch request = launch("hang");
  const std::string id = submit(request);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(request.job_dir / "events.jsonl"); }));
  restart();
  ASSERT_EQ(scheduler_->find(request.name), id);
  EXPECT_EQ(scheduler_->state(id).phase, RunPhase::running);
  scheduler_->terminate(id);
  wait_for(id, RunPhase::ended);
}

TEST_P(SchedulerSuite, a_run_that_ends_between_two_schedulers_is_told_right) {
  const Launch request = launch("wait");
  const std::string id = submit(request);
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(request.job_dir / "events.jsonl"); }));
  scheduler_.reset();
  std::ofstream(request.job_dir / "control" / "go") << "\n";
  ASSERT_TRUE(wait_until([&] { return std::filesystem::exists(request.job_dir / "result/report.json"); }));
  scheduler_ = place_->open();
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_EQ(state.end, RunEnd::exited);
  EXPECT_EQ(state.exit_status, 0);
}

TEST_P(SchedulerSuite, an_end_from_outside_is_seen) {
  const std::string id = submit(launch("hang"));
  wait_for(id, RunPhase::running);
  place_->end_outside(id);
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_NE(state.exit_status.value_or(1), 0);
}

TEST_P(SchedulerSuite, a_run_is_ended_when_its_time_is_over) {
  if (!GetParam().counts_seconds) {
    GTEST_SKIP() << "time limits count in minutes there";
  }
  Launch request = launch("hang");
  request.time_limit_seconds = 1;
  const RunState state = wait_for(submit(request), RunPhase::ended);
  EXPECT_EQ(state.end, RunEnd::timed_out);
}

TEST_P(SchedulerSuite, what_was_never_submitted_is_not_found) {
  EXPECT_EQ(scheduler_->find("cce-nobody-1"), std::nullopt);
  EXPECT_THROW(scheduler_->state("987654321"), Error);
  EXPECT_THROW(scheduler_->terminate("987654321"), Error);
}

TEST_P(SchedulerSuite, bad_requests_are_refused_before_anything_starts) {
  for (const char* name : {"", "../up", "a b", "-x", "a/b", ".hidden"}) {
    Launch request = launch("done");
    request.name = name;
    EXPECT_EQ(error_name(error_of([&] { scheduler_->submit(request); }).code), "invalid_argument") << name;
    EXPECT_EQ(error_name(error_of([&] { scheduler_->check(request); }).code), "invalid_argument") << name;
  }
  Launch request = launch("done");
  request.worker = place_->jobs() / "no-worker";
  expect_error([&] { scheduler_->submit(request); }, ErrorCode::missing_file, "no-worker");
  EXPECT_EQ(scheduler_->find(request.name), std::nullopt);
}

TEST_P(SchedulerSuite, traits_name_it_and_give_a_pace) {
  const SchedulerTraits traits = scheduler_->traits();
  EXPECT_FALSE(traits.name.empty());
  EXPECT_GT(traits.poll_seconds, 0.0);
  EXPECT_GE(traits.settle_seconds, 0.0);
}

}  // namespace cce::scheduler_suite
