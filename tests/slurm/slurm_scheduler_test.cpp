// Slurm under the suite that every scheduler passes, and what only it promises, on a lab of two nodes.
#include "coordinator/scheduler/slurm_scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "coordinator/system/process.h"
#include "tests/conformance/scheduler_suite.h"

namespace cce {
namespace {

namespace fs = std::filesystem;
using scheduler_suite::SchedulerCase;
using scheduler_suite::SchedulerSuite;
using ::testing::HasSubstr;

constexpr double lab_seconds = 90.0;
constexpr double deadline_seconds = 60.0;

/// A lab that lives as long as this object; this process's Slurm commands then talk to it.
class Lab {
 public:
  Lab() {
    run({"up", "--nodes", "2", "--gpus", "1"});
    std::istringstream lines(run({"env"}));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find('=');
      const std::string name = line.substr(7, equals - 7);  // after "export "
      ::setenv(name.c_str(), line.substr(equals + 1).c_str(), 1);
    }
  }
  ~Lab() {
    try {
      run({"down", "--purge"});
    } catch (const Error& error) {
      std::fprintf(stderr, "%s\n", describe(error).c_str());
    }
  }
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  fs::path profile() const { return folder_ / "lab/profile.sh"; }
  fs::path jobs() const { return folder_.path(); }

  std::string run(std::vector<std::string> words) const {
    words.insert(words.begin(), CCE_SLURM_LAB_PROGRAM);
    words.insert(words.end(), {"--dir", (folder_ / "lab").string()});
    return run_program(words, {}, lab_seconds);
  }

 private:
  TemporaryFolder folder_;
};

std::unique_ptr<Lab>& the_lab() {
  static std::unique_ptr<Lab> lab;
  return lab;
}

class LabPlace final : public scheduler_suite::SchedulerPlace {
 public:
  std::unique_ptr<Scheduler> open() override {
    return std::make_unique<SlurmScheduler>(files_, SlurmOptions{.profile = the_lab()->profile()});
  }
  fs::path worker() const override { return CCE_FAKE_WORKER; }
  fs::path jobs() const override { return the_lab()->jobs(); }
  double deadline_seconds() const override { return cce::deadline_seconds; }
  void end_outside(const std::string& id) override { run_program({"scancel", id}, {}, 30.0); }

 private:
  PosixFileSystem files_;
};

const SchedulerCase slurm_case{
    .name = "slurm", .make = [] { return std::make_unique<LabPlace>(); }, .counts_seconds = false};

}  // namespace

namespace scheduler_suite {
INSTANTIATE_TEST_SUITE_P(Slurm, SchedulerSuite, ::testing::Values(slurm_case), case_name);
}  // namespace scheduler_suite

namespace {

class SlurmRuns : public SchedulerSuite {
 protected:
  static SlurmJobRecord record(const std::string& id) {
    return parse_job_record(run_program({"scontrol", "show", "job", "--oneliner", id}, {}, 30.0));
  }
  static std::string field(const std::string& id, const std::string& format) {
    return run_program({"squeue", "--noheader", "--states=all", "--jobs", id, "--format", format}, {}, 30.0);
  }
  /// The run stands in calibrate.
  std::string start_waiting(const Launch& request) {
    std::string id = submit(request);
    EXPECT_TRUE(wait_until([&] { return fs::exists(request.job_dir / "events.jsonl"); }));
    return id;
  }
  static void signal_batch_script(const std::string& id) {
    run_program({"scancel", "--batch", "--signal=USR1", id}, {}, 30.0);
  }
  static std::string log(const Launch& request) { return text_of(request.job_dir / "logs/attempt-1.log"); }
};

TEST_P(SlurmRuns, ranks_are_spread_over_the_nodes) {
  Launch request = launch("done", 3);
  request.nodes = 2;
  request.threads = 2;
  request.partition = "lab";
  const std::string id = submit(request);
  EXPECT_EQ(wait_for(id, RunPhase::ended).exit_status, 0);
  EXPECT_EQ(field(id, "%D"), "2\n");
  EXPECT_THAT(log(request), HasSubstr("3 ranks on n[1-2]"));
}

TEST_P(SlurmRuns, a_launch_s_variables_reach_every_rank_and_no_others_do) {
  Launch request = launch("done", 2);
  request.nodes = 2;
  request.worker = request.job_dir / "worker.sh";
  PosixFileSystem files;
  files.write_atomic(request.worker,
                     "#!/bin/bash\n"
                     "echo \"${OPENBLAS_CORETYPE-} ${CUBLAS_WORKSPACE_CONFIG-} ${CCE_OWN-}\" "
                     ">\"$1/seen-$SLURM_PROCID\"\n");
  fs::permissions(request.worker, fs::perms::owner_all);
  request.environment = {{"CUBLAS_WORKSPACE_CONFIG", ":16:8"}, {"OPENBLAS_CORETYPE", "Nehalem"}};
  ::setenv("CCE_OWN", "the server's", 1);
  EXPECT_EQ(wait_for(submit(request), RunPhase::ended).exit_status, 0) << log(request);
  for (const char* rank : {"seen-0", "seen-1"}) {
    EXPECT_EQ(text_of(request.job_dir / rank), "Nehalem :16:8 \n");
  }
}

TEST_P(SlurmRuns, gpus_are_asked_for) {
  Launch request = launch("done", 2);
  request.nodes = 2;
  request.gpus_per_rank = 1;
  EXPECT_EQ(wait_for(submit(request), RunPhase::ended).exit_status, 0);
  Launch greedy = launch("done", 2);
  greedy.gpus_per_rank = 2;
  expect_error([&] { scheduler_->submit(greedy); }, ErrorCode::does_not_fit, "node configuration");
}

TEST_P(SlurmRuns, what_the_cluster_does_not_have_is_refused_in_its_words) {
  Launch request = launch("done", 5);
  request.nodes = 5;
  expect_error([&] { scheduler_->submit(request); }, ErrorCode::does_not_fit, "sinfo");
  request = launch("done");
  request.partition = "nowhere";
  expect_error([&] { scheduler_->submit(request); }, ErrorCode::out_of_range, "nowhere");
  EXPECT_EQ(scheduler_->find(request.name), std::nullopt);
}

TEST_P(SlurmRuns, usr1_with_something_kept_goes_back_to_the_queue_and_on) {
  const Launch request = launch("wait");
  const std::string id = start_waiting(request);
  fs::create_directories(request.job_dir / "state/encode.layer-000");
  signal_batch_script(id);
  ASSERT_TRUE(wait_until([&] { return record(id).restarts == 1; }));
  EXPECT_FALSE(fs::exists(request.job_dir / "control/cancel"));
  std::ofstream(request.job_dir / "control/go") << "\n";
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_EQ(state.exit_status, 0) << log(request);
  EXPECT_THAT(log(request), HasSubstr("start 2: the workers ended with 0"));
}

TEST_P(SlurmRuns, usr1_with_nothing_kept_is_not_repeated) {
  const Launch request = launch("wait");
  fs::create_directories(request.job_dir / "state/calibrate");  // by an earlier stay
  const std::string id = start_waiting(request);
  signal_batch_script(id);
  EXPECT_EQ(wait_for(id, RunPhase::ended).end, RunEnd::timed_out) << log(request);
  EXPECT_EQ(record(id).restarts, 0);
}

TEST_P(SlurmRuns, a_checkpoint_in_an_older_one_s_place_counts_as_kept) {
  const Launch request = launch("wait");
  const fs::path state = request.job_dir / "state";
  fs::create_directories(state / "finetune.latest");
  const std::string id = start_waiting(request);
  fs::create_directories(state / "finetune.latest.tmp");
  fs::remove(state / "finetune.latest");
  fs::rename(state / "finetune.latest.tmp", state / "finetune.latest");
  signal_batch_script(id);
  ASSERT_TRUE(wait_until([&] { return record(id).restarts == 1; })) << log(request);
  std::ofstream(request.job_dir / "control/go") << "\n";
  EXPECT_EQ(wait_for(id, RunPhase::ended).exit_status, 0) << log(request);
}

TEST_P(SlurmRuns, a_user_s_cancel_is_not_requeued_even_if_the_time_runs_out_too) {
  Launch request = launch("");
  request.worker = request.job_dir / "worker.sh";  // reaches its safe point when the test says so
  std::ofstream(request.worker) << "#!/bin/sh\necho > $1/events.jsonl\n"
                                   "until [ -e $1/control/go ]; do sleep 0.1; done\nexit 5\n";
  fs::permissions(request.worker, fs::perms::owner_all);
  const std::string id = start_waiting(request);
  fs::create_directories(request.job_dir / "state/encode.layer-000");
  PosixFileSystem files;
  files.write_atomic(request.job_dir / "control/cancel", "");
  signal_batch_script(id);
  ASSERT_TRUE(wait_until([&] { return log(request).find("asks for a stop") != std::string::npos; }));
  std::ofstream(request.job_dir / "control/go") << "\n";
  const RunState state = wait_for(id, RunPhase::ended);
  EXPECT_EQ(state.exit_status, 5) << log(request);
  EXPECT_EQ(record(id).restarts, 0);
  EXPECT_TRUE(fs::exists(request.job_dir / "control/cancel"));
}

TEST_P(SlurmRuns, ranks_that_crash_while_they_start_are_started_again) {
  struct Row {
    const char* name;
    const char* crashes_while;  ///< a test in shell
    int starts;
    bool succeeds;
  };
  for (const Row& row : {Row{"once", "[ $count -le 1 ]", 2, true}, Row{"always", "true", 3, false}}) {
    const Launch request = launch("done");
    std::ofstream(request.job_dir / "worker.sh")
        << "#!/bin/sh\necho start >> $1/starts; count=$(wc -l < $1/starts)\n"
        << "if " << row.crashes_while << "; then kill -SEGV $$; fi\nexec " << place_->worker().string()
        << " \"$@\"\n";
    fs::permissions(request.job_dir / "worker.sh", fs::perms::owner_all);
    Launch crashing = request;
    crashing.worker = request.job_dir / "worker.sh";
    const RunState state = wait_for(submit(crashing), RunPhase::ended);
    EXPECT_EQ(state.exit_status == 0, row.succeeds) << row.name << log(request);
    const std::string starts = text_of(request.job_dir / "starts");
    EXPECT_EQ(std::count(starts.begin(), starts.end(), '\n'), row.starts) << row.name << log(request);
  }
}

TEST_P(SlurmRuns, the_server_s_environment_stays_at_home) {
  ::setenv("CCE_FAKE_MODE", "die", 1);
  Launch request = launch("");
  const RunState state = wait_for(submit(request), RunPhase::ended);
  ::unsetenv("CCE_FAKE_MODE");
  EXPECT_EQ(state.exit_status, 0) << log(request);
}

TEST_P(SlurmRuns, an_unreachable_controller_is_a_passing_trouble) {
  const std::string conf = std::getenv("SLURM_CONF");
  const std::string elsewhere = (the_lab()->jobs() / "slurm.conf").string();
  std::ofstream(elsewhere) << "ClusterName=gone\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort=9\n"
                              "AuthInfo=socket=/nowhere\nMessageTimeout=2\n";
  const Launch request = launch("done");
  ::setenv("SLURM_CONF", elsewhere.c_str(), 1);
  for (const std::function<void()>& call : {std::function<void()>([&] { scheduler_->submit(request); }),
                                            std::function<void()>([&] { scheduler_->find(request.name); }),
                                            std::function<void()>([&] { scheduler_->state("1"); })}) {
    const ErrorCode code = error_of(call).code;
    EXPECT_TRUE(code == ErrorCode::io_failure || code == ErrorCode::deadline_exceeded) << error_name(code);
  }
  ::setenv("SLURM_CONF", conf.c_str(), 1);
  EXPECT_EQ(scheduler_->find(request.name), std::nullopt);
}

INSTANTIATE_TEST_SUITE_P(Slurm, SlurmRuns, ::testing::Values(slurm_case), scheduler_suite::case_name);

}  // namespace
}  // namespace cce

int main(int argument_count, char** arguments) {
  testing::InitGoogleTest(&argument_count, arguments);
  const cce::ProgramResult check = cce::run_to_end({CCE_SLURM_LAB_PROGRAM, "check"}, {}, 30.0);
  if (!check.succeeded()) {
    std::printf("skipped: %s", check.errors.c_str());
    return 77;
  }
  cce::the_lab() = std::make_unique<cce::Lab>();
  const int failed = RUN_ALL_TESTS();
  cce::the_lab().reset();
  return failed;
}
