#include "coordinator/run/text_check.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

/// fake_worker says what the variable does.
class TextCheck : public ::testing::Test {
 protected:
  ~TextCheck() override { ::unsetenv("CCE_FAKE_TEXT_ERROR"); }
  static void says(const char* error) { ::setenv("CCE_FAKE_TEXT_ERROR", error, 1); }
  static void check(const std::filesystem::path& worker = CCE_FAKE_WORKER, double seconds = 20.0) {
    check_texts(worker, JobSpec(), seconds);
  }
};

TEST_F(TextCheck, refuses_what_a_worker_would) {
  says(R"({"code": "text_too_short", "where": "a.txt", "found": "f", "expected": "e", "remedy": "R"})");
  expect_error([] { check(); }, ErrorCode::text_too_short, "a.txt");
}

TEST_F(TextCheck, passes_where_a_worker_finds_nothing_or_cannot_say) {
  EXPECT_NO_THROW(check());
  says("no JSON");
  EXPECT_NO_THROW(check());
  says(R"({"code": "io_failure", "where": "/tmp", "found": "f", "expected": "e", "remedy": "R"})");
  EXPECT_NO_THROW(check()) << "no fault of the job's";
  EXPECT_NO_THROW(check("/no/worker"));
  EXPECT_NO_THROW(check("/bin/false"));
}

}  // namespace
}  // namespace cce
