#include "common/job/job_dir.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

class JobDirTest : public ::testing::Test {
 protected:
  JobDirTest() {
    spec_.model = "models/a";
    partition_.sequences = split_sequences(4, 2);
    partition_.owner = {0, 1};
  }
  JobDir create() { return JobDir::create(files_, root_, spec_, partition_); }

  TemporaryFolder temporary_;
  PosixFileSystem files_;
  FileSystem::Path root_ = temporary_ / "job";
  JobSpec spec_;
  Partition partition_;
};

TEST_F(JobDirTest, inputs_read_back) {
  create();
  const JobDir job = JobDir::open(files_, root_);
  EXPECT_EQ(to_json(job.read_spec()), to_json(spec_));
  EXPECT_EQ(to_json(job.read_partition()), to_json(partition_));
  EXPECT_EQ(attempt_log_path(root_, 3), root_ / "logs" / "attempt-3.log");
}

TEST_F(JobDirTest, a_folder_without_a_job_is_refused_and_so_is_a_second_job) {
  expect_error([&] { JobDir::open(files_, root_); }, ErrorCode::missing_file, "spec.json");
  create();
  expect_error([&] { create(); }, ErrorCode::impossible_combination, "cce resume");
}

TEST_F(JobDirTest, one_attempt_at_a_time_and_never_an_older_one) {
  JobDir job = create();
  EXPECT_EQ(job.recorded_attempt(), 0);
  {
    const JobLock lock = job.take_lock(2);
    expect_error([&] { job.take_lock(3); }, ErrorCode::job_locked, "lock");
    EXPECT_EQ(job.recorded_attempt(), 2);
  }
  expect_error([&] { job.take_lock(1); }, ErrorCode::job_locked, "found attempt 2");
  EXPECT_NO_THROW(job.take_lock(2));
}

TEST_F(JobDirTest, a_worker_of_an_older_attempt_changes_nothing) {
  JobDir job = create();
  job.begin_state("analyze");
  job.publish_state("analyze", "kept");
  JobDir older = JobDir::open_for_attempt(files_, root_, 2);
  JobDir newer = JobDir::open_for_attempt(files_, root_, 3);
  older.begin_state("encode");
  older.begin_result();
  const JobLock lock = job.take_lock(3);
  for (const std::function<void()>& change :
       {std::function<void()>([&] { older.begin_state("analyze"); }),
        std::function<void()>([&] { older.publish_state("encode", "late"); }),
        std::function<void()>([&] { older.remove_state("analyze"); }),
        std::function<void()>([&] { older.begin_result(); }),
        std::function<void()>([&] { older.publish_result(); })}) {
    expect_error(change, ErrorCode::job_locked, "attempt 3");
  }
  EXPECT_TRUE(job.find_state("analyze", "kept").has_value());
  EXPECT_FALSE(job.find_state("encode", "late").has_value());
  EXPECT_FALSE(files_.exists(job.result_path()));
  EXPECT_NO_THROW(newer.publish_state("encode", "in time"));
}

TEST_F(JobDirTest, cancelling) {
  JobDir job = create();
  EXPECT_FALSE(job.cancel_requested());
  job.request_cancel();
  EXPECT_TRUE(JobDir::open(files_, root_).cancel_requested());
  job.clear_cancel();
  EXPECT_FALSE(job.cancel_requested());
}

TEST_F(JobDirTest, a_state_is_found_by_the_fingerprint_of_its_inputs) {
  JobDir job = create();
  EXPECT_EQ(job.find_state("calibrate", "f1"), std::nullopt);
  files_.write_atomic(job.begin_state("calibrate") / "grams", "bytes");
  EXPECT_EQ(job.find_state("calibrate", "f1"), std::nullopt);
  job.publish_state("calibrate", "f1");
  ASSERT_TRUE(job.find_state("calibrate", "f1").has_value());
  EXPECT_EQ(files_.read_text(*job.find_state("calibrate", "f1") / "grams", 100), "bytes");
  EXPECT_EQ(job.find_state("calibrate", "f2"), std::nullopt);

  files_.write_atomic(job.begin_state("calibrate") / "grams", "newer");
  job.publish_state("calibrate", "f2");
  EXPECT_EQ(files_.read_text(*job.find_state("calibrate", "f2") / "grams", 100), "newer");
  EXPECT_EQ(job.find_state("calibrate", "f1"), std::nullopt);
  job.remove_state("calibrate");
  EXPECT_EQ(job.find_state("calibrate", "f2"), std::nullopt);
}

TEST_F(JobDirTest, recovery_removes_leftovers) {
  JobDir job = create();
  job.begin_state("encode.layer-07");
  job.begin_result();
  files_.make_directory(root_ / "state" / ".analyze.cce-old-abcdefghij");
  job.recover();
  EXPECT_THAT(files_.list(root_ / "state"), ::testing::ElementsAre("analyze"));
  EXPECT_FALSE(files_.exists(root_ / "result.tmp"));
}

TEST_F(JobDirTest, names_of_states_stay_in_their_folder) {
  JobDir job = create();
  for (const char* name : {"", "..", ".x", "a/b", "A", "x.tmp", "x.old"}) {
    EXPECT_THROW(job.begin_state(name), Error) << name;
  }
}

TEST_F(JobDirTest, a_result_appears_whole) {
  JobDir job = create();
  files_.write_atomic(job.begin_result() / "plan.json", "{}");
  EXPECT_FALSE(files_.exists(job.result_path()));
  job.publish_result();
  EXPECT_THAT(files_.list(job.result_path()), ::testing::ElementsAre("plan.json"));
}

}  // namespace
}  // namespace cce
