#include "coordinator/run/text_check.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/common/error_matcher.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

/// fake_worker says what the variable does.
class TextCheck : public ::testing::Test {
 protected:
  ~TextCheck() override { ::unsetenv("CCE_FAKE_TEXT_ERROR"); }
  static void says(const char* error) { ::setenv("CCE_FAKE_TEXT_ERROR", error, 1); }
  static bool is_checked(const std::filesystem::path& worker = CCE_FAKE_WORKER, double seconds = 20.0) {
    return texts_are_checked(worker, JobSpec(), seconds);
  }
};

TEST_F(TextCheck, refuses_what_a_worker_would) {
  says(R"({"code": "text_too_short", "where": "a.txt", "found": "f", "expected": "e", "remedy": "R"})");
  expect_error([] { is_checked(); }, ErrorCode::text_too_short, "a.txt");
}

TEST_F(TextCheck, says_whether_a_worker_found_nothing_or_could_not_say) {
  EXPECT_TRUE(is_checked());
  says("no JSON");
  EXPECT_FALSE(is_checked());
  says(R"({"code": "io_failure", "where": "/tmp", "found": "f", "expected": "e", "remedy": "R"})");
  EXPECT_FALSE(is_checked()) << "no fault of the job's";
  EXPECT_FALSE(is_checked("/no/worker"));
  EXPECT_FALSE(is_checked("/bin/false"));
}

TEST_F(TextCheck, leaves_nothing_behind_where_a_worker_does_not_end_in_time) {
  const TemporaryFolder folder;
  const std::filesystem::path worker = folder / "worker.sh", scratch = folder / "scratch";
  std::filesystem::create_directory(scratch);
  std::ofstream(worker) << "#!/bin/sh\nmkdir \"$(dirname \"$2\")/tokens\"\nexec sleep 60\n";
  std::filesystem::permissions(worker, std::filesystem::perms::owner_all);
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", scratch.c_str(), 1);
  EXPECT_FALSE(is_checked(worker, 0.5));
  EXPECT_TRUE(std::filesystem::is_empty(scratch));
  kept.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
}

}  // namespace
}  // namespace cce
