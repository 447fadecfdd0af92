#include "coordinator/scheduler/slurm_output.h"

#include <gmock/gmock.h>

#include "coordinator/scheduler/slurm_scheduler.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

/// A record as Slurm 22.05 prints it.
std::string record_line(const std::string& state, const std::string& reason, const std::string& exit_code) {
  return "JobId=71 JobName=cce-12-2 UserId=root(0) GroupId=root(0) MCS_label=N/A Priority=4294901759 Nice=0 "
         "Account=(null) QOS=(null) JobState=" +
         state + " Reason=" + reason +
         " Dependency=(null) Requeue=1 Restarts=1 BatchFlag=1 Reboot=0 ExitCode=" + exit_code +
         " RunTime=00:00:07 TimeLimit=00:05:00 TimeMin=N/A SubmitTime=2026-11-22T14:33:34 Partition=lab "
         "NodeList=n[1-2] BatchHost=n1 NumNodes=2 NumCPUs=2 NumTasks=2 CPUs/Task=1 "
         "TRES=cpu=2,node=2,billing=2 "
         "Command=/jobs/12/JobState=FAILED WorkDir=/jobs/12 StdErr=/jobs/12/logs/attempt-2.log Power= \n";
}

TEST(SlurmOutput, reads_the_number_that_sbatch_prints) {
  EXPECT_EQ(parse_submitted("71\n"), "71");
  EXPECT_EQ(parse_submitted("71"), "71");
  EXPECT_EQ(parse_submitted("4294967294;cluster\n"), "4294967294");
  for (const char* wrong : {"", "\n", "0", "071", "-1", "71;", "71 ", "71\n72\n", "71_1", "12345678901",
                            "sbatch: warning\n71\n", "Submitted batch job 71\n"}) {
    expect_error([&] { parse_submitted(wrong); }, ErrorCode::malformed_file, "JOB or JOB;CLUSTER");
  }
}

TEST(SlurmOutput, reads_queue_lines) {
  const auto entries = parse_queue("71|cce-12-2|PENDING|/jobs/12\n9|cce-1-1|COMPLETED|/a|b\n");
  ASSERT_THAT(entries, SizeIs(2));
  EXPECT_EQ(entries[0].id, "71");
  EXPECT_EQ(entries[0].name, "cce-12-2");
  EXPECT_EQ(entries[0].state, "PENDING");
  EXPECT_EQ(entries[1].work_dir, "/a|b");
  EXPECT_THAT(parse_queue(""), IsEmpty());
  for (const char* wrong : {"71|a|PENDING\n", "x|a|PENDING|/\n", "71|a|PENDING|\n", "\n",
                            "slurm_load_jobs error: Unable to contact slurm controller\n"}) {
    expect_error([&] { parse_queue(wrong); }, ErrorCode::malformed_file, "squeue");
  }
  expect_error([&] { parse_queue("71|a|DREAMING|/\n"); }, ErrorCode::malformed_file, "DREAMING");
}

TEST(SlurmOutput, reads_a_record_and_lets_no_path_pass_for_a_field) {
  const SlurmJobRecord record = parse_job_record(record_line("RUNNING", "None", "0:0"));
  EXPECT_EQ(record.id, "71");
  EXPECT_EQ(record.name, "cce-12-2");
  EXPECT_EQ(record.state, "RUNNING");
  EXPECT_EQ(record.reason, "None");
  EXPECT_EQ(record.restarts, 1);
  EXPECT_EQ(record.work_dir, "/jobs/12");
}

struct WrongRecord {
  const char* name;
  std::string text;
};
TEST(SlurmOutput, refuses_records_of_another_shape) {
  const std::string good = record_line("RUNNING", "None", "0:0");
  const auto with = [&](const std::string& part, const std::string& other) {
    std::string text = good;
    return text.replace(text.find(part), part.size(), other);
  };
  const WrongRecord rows[] = {{"nothing", ""},
                              {"words", "No jobs in the system\n"},
                              {"two_lines", good + good},
                              {"job_number", with("JobId=71", "JobId=x")},
                              {"state", with("JobState=RUNNING", "JobState=RUNNIN")},
                              {"no_state", with("JobState=RUNNING ", "")},
                              {"restarts", with("Restarts=1", "Restarts=-1")},
                              {"exit_code", with("ExitCode=0:0", "ExitCode=0")},
                              {"exit_words", with("ExitCode=0:0", "ExitCode=0:x")},
                              {"no_folder", with("WorkDir=", "Folder=")}};
  for (const WrongRecord& row : rows) {
    try {
      parse_job_record(row.text);
      // The path in Command= holds "/JobState=FAILED", which is no word of its own.
      ADD_FAILURE() << row.name << " was accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code, ErrorCode::malformed_file) << row.name;
    }
  }
}

struct EndRow {
  const char* state;
  const char* exit_code;
  RunPhase phase;
  RunEnd end;
  std::optional<int> exit_status, signal;
};

TEST(SlurmOutput, states_and_exit_codes_become_runs) {
  const EndRow rows[] = {
      {"PENDING", "0:0", RunPhase::waiting, {}, {}, {}},
      {"REQUEUE_HOLD", "0:0", RunPhase::waiting, {}, {}, {}},
      {"RUNNING", "0:0", RunPhase::running, {}, {}, {}},
      {"COMPLETING", "0:0", RunPhase::running, {}, {}, {}},
      {"COMPLETED", "0:0", RunPhase::ended, RunEnd::exited, 0, {}},
      {"FAILED", "5:0", RunPhase::ended, RunEnd::exited, 5, {}},
      {"FAILED", "0:0", RunPhase::ended, RunEnd::exited, 1, {}},
      {"FAILED", "0:9", RunPhase::ended, RunEnd::signalled, {}, 9},
      {"FAILED", "124:0", RunPhase::ended, RunEnd::timed_out, {}, {}},
      {"CANCELLED", "0:15", RunPhase::ended, RunEnd::cancelled, {}, {}},
      {"PREEMPTED", "0:0", RunPhase::ended, RunEnd::cancelled, {}, {}},
      {"TIMEOUT", "0:15", RunPhase::ended, RunEnd::timed_out, {}, {}},
      {"NODE_FAIL", "0:0", RunPhase::ended, RunEnd::node_failed, {}, {}},
      {"OUT_OF_MEMORY", "0:125", RunPhase::ended, RunEnd::out_of_memory, {}, {}},
      {"REVOKED", "0:0", RunPhase::ended, RunEnd::vanished, {}, {}},
  };
  for (const EndRow& row : rows) {
    const RunState run = run_state_of(parse_job_record(record_line(row.state, "None", row.exit_code)));
    const std::string name = std::string(row.state) + " " + row.exit_code;
    EXPECT_EQ(run.phase, row.phase) << name;
    if (row.phase == RunPhase::ended) {
      EXPECT_EQ(run.end, row.end) << name;
    }
    EXPECT_EQ(run.exit_status, row.exit_status) << name;
    EXPECT_EQ(run.signal, row.signal) << name;
    EXPECT_EQ(run.reason, row.state) << name;
  }
  EXPECT_EQ(run_state_of(parse_job_record(record_line("PENDING", "Resources", "0:0"))).reason,
            "PENDING, Resources");
}

}  // namespace
}  // namespace cce
