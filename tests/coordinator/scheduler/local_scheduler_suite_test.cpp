// The local scheduler under the suite that every scheduler passes, and what only it promises.
#include <signal.h>

#include "coordinator/scheduler/local_scheduler.h"
#include "tests/conformance/scheduler_suite.h"

namespace cce {
namespace {

using scheduler_suite::SchedulerCase;
using scheduler_suite::SchedulerSuite;

class LocalPlace final : public scheduler_suite::SchedulerPlace {
 public:
  std::unique_ptr<Scheduler> open() override {
    return std::make_unique<LocalScheduler>(
        files_, LocalSchedulerOptions{.folder = folder_ / "runs", .launcher = CCE_PROGRAM, .most_runs = 2});
  }
  std::filesystem::path worker() const override { return CCE_FAKE_WORKER; }
  std::filesystem::path jobs() const override { return folder_.path(); }
  double deadline_seconds() const override { return 30.0; }
  /// Kills mpirun, as an operator or the kernel would.
  void end_outside(const std::string& id) override {
    const RunRecord record(files_, folder_ / "runs", id);
    for (const pid_t process : record.processes()) {
      ::kill(process, SIGKILL);
    }
  }

 private:
  TemporaryFolder folder_;
  PosixFileSystem files_;
};

const SchedulerCase local_case{.name = "local", .make = [] { return std::make_unique<LocalPlace>(); }};

}  // namespace

namespace scheduler_suite {
INSTANTIATE_TEST_SUITE_P(Local, SchedulerSuite, ::testing::Values(local_case), case_name);
}  // namespace scheduler_suite

namespace {

class LocalRuns : public ::testing::Test {
 protected:
  LocalScheduler make(std::int64_t most_runs = 1) {
    return LocalScheduler(files_,
                          {.folder = folder_ / "runs", .launcher = CCE_PROGRAM, .most_runs = most_runs});
  }
  Launch hanging(const std::string& name) {
    Launch launch;
    launch.name = name;
    launch.job_dir = folder_ / name;
    launch.worker = CCE_FAKE_WORKER;
    launch.binding = Binding::none;
    std::filesystem::create_directories(launch.job_dir);
    std::ofstream(launch.job_dir / "fake-mode") << "hang";
    return launch;
  }
  RunRecord record(const std::string& name) { return RunRecord(files_, folder_ / "runs", name); }

  TemporaryFolder folder_;
  PosixFileSystem files_;
};

TEST_F(LocalRuns, no_more_at_once_than_asked_for_also_after_a_restart) {
  LocalScheduler first = make();
  first.submit(hanging("cce-a-1"));
  expect_error([&] { first.submit(hanging("cce-b-1")); }, ErrorCode::job_locked, "1 runs under way");
  LocalScheduler second = make();
  expect_error([&] { second.submit(hanging("cce-b-1")); }, ErrorCode::job_locked, "1 runs under way");
  second.terminate("cce-a-1");
  second.submit(hanging("cce-b-1"));
  second.terminate("cce-b-1");
}

TEST_F(LocalRuns, a_name_is_used_once) {
  LocalScheduler scheduler = make();
  scheduler.submit(hanging("cce-a-1"));
  const pid_t launcher = record("cce-a-1").launcher()->pid;
  LocalScheduler other = make(2);
  EXPECT_EQ(other.submit(hanging("cce-a-1")), "cce-a-1");  // the run that has the name
  EXPECT_EQ(record("cce-a-1").launcher()->pid, launcher);
  scheduler.terminate("cce-a-1");
  EXPECT_EQ(other.submit(hanging("cce-a-1")), "cce-a-1");
  EXPECT_TRUE(scheduler.state("cce-a-1").ended());
}

TEST_F(LocalRuns, a_process_with_the_same_pid_and_another_start_is_not_ours) {
  const pid_t self = ::getpid();
  const std::uint64_t start = process_facts(self)->start_ticks;
  const auto write = [&](std::uint64_t ticks, const std::string& boot) {
    std::filesystem::create_directories(folder_ / "runs");
    std::ofstream(folder_ / "runs/cce-x-1.run")
        << R"({"pid":)" << self << R"(,"start_ticks":)" << ticks << R"(,"boot_id":")" << boot << R"("})";
  };
  LocalScheduler scheduler = make();
  write(start, boot_id());
  EXPECT_EQ(scheduler.state("cce-x-1").phase, RunPhase::running);
  write(start + 1, boot_id());
  EXPECT_EQ(scheduler.state("cce-x-1").end, RunEnd::vanished);
  scheduler.terminate("cce-x-1");  // and is not killed: this test goes on
  write(start, "another-boot");
  EXPECT_EQ(scheduler.state("cce-x-1").end, RunEnd::vanished);
}

TEST_F(LocalRuns, a_killed_launcher_takes_its_run_along) {
  LocalScheduler scheduler = make();
  scheduler.submit(hanging("cce-a-1"));
  for (int i = 0; i < 2000 && !std::filesystem::exists(folder_ / "cce-a-1/events.jsonl"); ++i) {
    ::poll(nullptr, 0, 10);
  }
  ::kill(record("cce-a-1").launcher()->pid, SIGKILL);
  RunState state = scheduler.state("cce-a-1");
  for (int i = 0; i < 2000 && !state.ended(); ++i) {
    ::poll(nullptr, 0, 10);
    state = scheduler.state("cce-a-1");
  }
  EXPECT_EQ(state.end, RunEnd::vanished);
  EXPECT_TRUE(record("cce-a-1").processes().empty());
}

TEST_F(LocalRuns, what_only_clusters_have_is_refused_by_name) {
  LocalScheduler scheduler = make();
  struct Row {
    const char* key;
    std::function<void(Launch&)> set;
  };
  const Row rows[] = {{"nodes", [](Launch& launch) { launch.nodes = 2; }},
                      {"partition", [](Launch& launch) { launch.partition = "gpu"; }},
                      {"account", [](Launch& launch) { launch.account = "a"; }},
                      {"qos", [](Launch& launch) { launch.qos = "high"; }},
                      {"constraint", [](Launch& launch) { launch.constraint = "h100"; }},
                      {"modules", [](Launch& launch) { launch.environment_modules = {"cuda"}; }},
                      {"container", [](Launch& launch) { launch.container_image = "i.sif"; }}};
  for (const Row& row : rows) {
    Launch launch = hanging("cce-a-1");
    row.set(launch);
    expect_error([&] { scheduler.submit(launch); }, ErrorCode::unsupported, row.key);
  }
}

}  // namespace
}  // namespace cce
