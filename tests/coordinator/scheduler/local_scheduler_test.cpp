#include "coordinator/scheduler/local_scheduler.h"

#include <gmock/gmock.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Launch launch_of(std::int64_t ranks, std::int64_t threads, Binding binding) {
  Launch launch;
  launch.name = "cce-a-2";
  launch.job_dir = "/job";
  launch.worker = "/bin/cce-worker";
  launch.attempt = 2;
  launch.ranks = ranks;
  launch.threads = threads;
  launch.binding = binding;
  return launch;
}

struct BindingRow {
  const char* name;
  std::int64_t ranks, threads;
  Binding binding;
  MachineLoad machine;
  bool bound;
};
class Binds : public ::testing::TestWithParam<BindingRow> {};

TEST_P(Binds, only_where_every_rank_gets_its_cores) {
  const BindingRow& row = GetParam();
  const ProcessRequest request =
      launch_command(launch_of(row.ranks, row.threads, row.binding), "/mpirun", row.machine);
  if (row.bound) {
    EXPECT_THAT(request.arguments, Contains("core:overload-allowed"));
    EXPECT_THAT(request.arguments, Not(Contains("--oversubscribe")));
    EXPECT_EQ(request.environment.at("OMP_PROC_BIND"), "close");
    EXPECT_EQ(request.environment.at("OMPI_MCA_mpi_yield_when_idle"), "0");
  } else {
    EXPECT_THAT(request.arguments, Contains("none"));
    EXPECT_EQ(request.environment.at("OMP_PROC_BIND"), "false");
    EXPECT_EQ(request.environment.at("OMPI_MCA_mpi_yield_when_idle"), "1");
  }
}

const BindingRow binding_rows[] = {
    {"idle_machine", 2, 4, Binding::automatic, {8, 0.2}, true},
    {"loaded_machine", 2, 4, Binding::automatic, {8, 3.0}, false},
    {"loaded_but_wanted", 2, 4, Binding::cores, {8, 3.0}, true},
    {"room_beside_the_load", 1, 4, Binding::automatic, {8, 3.0}, true},
    {"not_wanted", 2, 4, Binding::none, {8, 0.0}, false},
    {"too_few_cores", 4, 4, Binding::cores, {8, 0.0}, false},
};
INSTANTIATE_TEST_SUITE_P(LocalScheduler, Binds, ::testing::ValuesIn(binding_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(LaunchCommand, works_as_root_and_starts_the_worker_without_a_shell) {
  const ProcessRequest request = launch_command(launch_of(3, 2, Binding::none), "/mpirun", {2, 0.0});
  EXPECT_EQ(request.environment.at("OMPI_ALLOW_RUN_AS_ROOT"), "1");
  EXPECT_EQ(request.environment.at("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"), "1");
  EXPECT_EQ(request.environment.at("OMP_NUM_THREADS"), "2");
  const std::vector<std::string> tail(request.arguments.end() - 4, request.arguments.end());
  EXPECT_EQ(tail, (std::vector<std::string>{"/bin/cce-worker", "/job", "--attempt", "2"}));
  const auto ranks = std::find(request.arguments.begin(), request.arguments.end(), "-n");
  EXPECT_EQ(*(ranks + 1), "3");
  EXPECT_EQ(request.output, "/job/logs/attempt-2.log");
}

TEST(LocalScheduler, refuses_a_worker_that_is_not_there) {
  const TemporaryFolder folder;
  PosixFileSystem files;
  LocalScheduler scheduler(files, {.folder = folder / "runs", .launcher = CCE_PROGRAM});
  Launch launch = launch_of(1, 1, Binding::none);
  launch.job_dir = folder.path();
  launch.worker = folder / "no-worker";
  expect_error([&] { scheduler.submit(launch); }, ErrorCode::missing_file, "no-worker");
  expect_error([&] { scheduler.state("77"); }, ErrorCode::invalid_argument, "77");
}

TEST(ChildProcess, reports_exit_status_signal_and_output) {
  const TemporaryFolder folder;
  ChildProcess child({.arguments = {"sh", "-c", "echo $WORD; exit 7"},
                      .environment = {{"WORD", "hello"}},
                      .output = folder / "log"});
  EXPECT_EQ(child.wait(10.0).exit_status, 7);
  std::string line;
  std::ifstream stream(folder / "log");
  std::getline(stream, line);
  EXPECT_EQ(line, "hello");

  ChildProcess killed({.arguments = {"sh", "-c", "kill -9 $$"}, .environment = {}, .output = folder / "log"});
  EXPECT_EQ(killed.wait(10.0).signal, SIGKILL);
}

TEST(ChildProcess, refuses_a_program_that_is_not_there) {
  const TemporaryFolder folder;
  expect_error(
      [&] { ChildProcess({.arguments = {"/no/such/program"}, .environment = {}, .output = folder / "log"}); },
      ErrorCode::missing_file, "/no/such/program");
}

TEST(ChildProcess, ends_descendants_that_left_the_group_and_ignore_signals) {
  const TemporaryFolder folder;
  ChildProcess child({.arguments = {"sh", "-c", "setsid sh -c 'trap \"\" TERM; echo up; sleep 60' & wait"},
                      .environment = {},
                      .output = folder / "log"});
  for (int i = 0; i < 500 && std::filesystem::file_size(folder / "log") == 0; ++i) {
    child.wait(0.01);
  }
  const std::vector<pid_t> family = descendants(child.pid());
  EXPECT_GE(family.size(), 1U);
  child.terminate();
  EXPECT_TRUE(child.poll().ended());
  for (const pid_t process : family) {
    std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
    std::string line;
    const bool gone = !std::getline(stat, line) || line.find(") Z") != std::string::npos;
    EXPECT_TRUE(gone) << line;
  }
}

TEST(RunProgram, returns_output_or_the_reason) {
  EXPECT_EQ(run_program({"sh", "-c", "echo $A"}, {{"A", "b"}}, 10.0), "b\n");
  expect_error(
      [] {
        run_program({"sh", "-c", "echo sorry; exit 3"}, {}, 10.0);
      },
      ErrorCode::worker_died, "sorry");
  expect_error([] { run_program({"sleep", "30"}, {}, 0.2); }, ErrorCode::deadline_exceeded, "sleep");
}

}  // namespace
}  // namespace cce
