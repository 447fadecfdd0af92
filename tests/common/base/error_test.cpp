#include "common/base/error.h"

#include <gtest/gtest.h>

#include <set>

namespace cce {
namespace {

struct ExitRow {
  ErrorCode code;
  int exit;
};

TEST(ErrorTest, exit_codes_follow_the_design) {
  const ExitRow rows[] = {
      {ErrorCode::invalid_argument, 1},   {ErrorCode::io_failure, 1},     {ErrorCode::verification_failed, 1},
      {ErrorCode::unknown_key, 2},        {ErrorCode::malformed_file, 2}, {ErrorCode::missing_tensor, 2},
      {ErrorCode::unreachable_target, 2}, {ErrorCode::text_too_short, 2}, {ErrorCode::unsupported, 2},
      {ErrorCode::does_not_fit, 3},       {ErrorCode::disk_full, 3},      {ErrorCode::worker_died, 4},
      {ErrorCode::deadline_exceeded, 4},  {ErrorCode::cancelled, 5}};
  for (const ExitRow& row : rows) {
    EXPECT_EQ(exit_code(row.code), row.exit) << error_name(row.code);
  }
}

TEST(ErrorTest, every_code_has_a_name_of_its_own) {
  std::set<std::string_view> names;
  for (int code = 0; code <= static_cast<int>(ErrorCode::device_failure); ++code) {
    EXPECT_TRUE(names.insert(error_name(static_cast<ErrorCode>(code))).second) << code;
  }
}

struct DescribeRow {
  Error error;
  const char* text;
};

TEST(ErrorTest, describe_leaves_out_empty_parts) {
  const DescribeRow rows[] = {{{ErrorCode::disk_full, "a/b", "no space", "4 KiB", "Free some"},
                               "disk_full at a/b: found no space, expected 4 KiB. Free some"},
                              {{ErrorCode::unsupported, "", "gpt2", "", ""}, "unsupported: found gpt2"},
                              {{ErrorCode::cancelled, "job", "", "x", ""}, "cancelled at job: expected x"},
                              {{ErrorCode::worker_died, "", "", "", ""}, "worker_died"}};
  for (const DescribeRow& row : rows) {
    EXPECT_EQ(describe(row.error), row.text);
  }
}

}  // namespace
}  // namespace cce
