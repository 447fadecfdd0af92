#include "common/base/error.h"

#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "common/base/error_json.h"
#include "tests/common/error_matcher.h"

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
  for (const ErrorRow& row : error_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(error_code_named(row.name), row.code);
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(row.when.front())) != 0) << row.when;
    EXPECT_NE(row.when.back(), '.') << row.when;
  }
  EXPECT_EQ(error_code_named("no_such_code"), std::nullopt);
}

struct StatusRow {
  ErrorCode code;
  int status;
};

TEST(ErrorTest, the_status_follows_from_the_kind) {
  const StatusRow rows[] = {{ErrorCode::malformed_request, 400}, {ErrorCode::malformed_file, 422},
                            {ErrorCode::missing_file, 422},      {ErrorCode::does_not_fit, 422},
                            {ErrorCode::job_not_found, 404},     {ErrorCode::result_not_found, 404},
                            {ErrorCode::wrong_job_state, 409},   {ErrorCode::job_locked, 409},
                            {ErrorCode::queue_full, 429},        {ErrorCode::disk_full, 507},
                            {ErrorCode::deadline_exceeded, 503}, {ErrorCode::io_failure, 500},
                            {ErrorCode::invalid_argument, 500}};
  for (const StatusRow& row : rows) {
    EXPECT_EQ(http_status(row.code), row.status) << error_name(row.code);
  }
}

struct DescribeRow {
  Error error;
  const char* text;
};

TEST(ErrorTest, describe_leaves_out_empty_parts_and_ends_each_sentence_once) {
  const DescribeRow rows[] = {{{ErrorCode::disk_full, "a/b", "no space", "4 KiB", "Free some"},
                               "disk_full at a/b: found no space, expected 4 KiB. Free some."},
                              {{ErrorCode::disk_full, "a/b", "no space.", "", "Free some."},
                               "disk_full at a/b: found no space. Free some."},
                              {{ErrorCode::unknown_key, "", "modle", "", "Did you mean 'model'?"},
                               "unknown_key: found modle. Did you mean 'model'?"},
                              {{ErrorCode::worker_died, "x", "signal 9; its log:\n  end\n", "", "Resume it."},
                               "worker_died at x: found signal 9; its log:\n  end\nResume it."},
                              {{ErrorCode::unsupported, "", "gpt2", "", ""}, "unsupported: found gpt2."},
                              {{ErrorCode::cancelled, "job", "", "x", ""}, "cancelled at job: expected x."},
                              {{ErrorCode::worker_died, "", "", "", ""}, "worker_died."}};
  for (const DescribeRow& row : rows) {
    EXPECT_EQ(describe(row.error), row.text);
  }
}

/// docs/errors.md as the table says it.
std::string errors_page() {
  std::string page =
      "# Errors\n\n"
      "An error names its code, the place, what was found, what is allowed and what to do next. On the "
      "command line "
      "it decides the exit code, in a server's answer the HTTP status; there its parts are the members "
      "`code`, "
      "`where`, `found`, `expected` and `remedy` of an `application/problem+json`.\n\n"
      "Exit codes: 0 done, 1 internal, 2 bad input or unreachable target, 3 memory, disk or queue is full, 4 "
      "a worker "
      "died, 5 cancelled.\n\n"
      "| code | when | exit | HTTP status |\n|---|---|---:|---:|\n";
  for (const ErrorRow& row : error_table()) {
    page.append("| `").append(row.name).append("` | ").append(row.when).append(" | ");
    page.append(std::to_string(row.exit_code)).append(" | ");
    page.append(std::to_string(http_status(row.kind))).append(" |\n");
  }
  return page + "\nThis page is written from the table in `common/base/error.cpp`; a test compares them.\n";
}

TEST(ErrorTest, the_page_of_errors_is_the_table) {
  const std::filesystem::path path =
      std::filesystem::path(CCE_TESTS_DIR).parent_path() / "docs" / "errors.md";
  if (std::getenv("CCE_WRITE_DOCS") != nullptr) {
    std::ofstream(path) << errors_page();
  }
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(text, errors_page())
      << "CCE_WRITE_DOCS=1 common_tests --gtest_filter='ErrorTest.*' writes it anew";
}

TEST(ErrorJsonTest, an_error_reads_back_and_other_members_are_skipped) {
  const Error error{ErrorCode::queue_full, "a", "b", "c", "D."};
  OrderedJson document = error_json(error);
  EXPECT_EQ(compact_json(document),
            R"({"code":"queue_full","where":"a","found":"b","expected":"c","remedy":"D."})");
  document["status"] = 429;
  EXPECT_EQ(describe(read_error(parse_json(document.dump(), "d"), "d")), describe(error));
  expect_error(
      [] {
        read_error(Json{{"code", "no_such"}}, "the answer");
      },
      ErrorCode::out_of_range, "the answer");
  expect_error(
      [] {
        read_error(Json{{"code", "disk_full"}, {"found", 3}}, "d");
      },
      ErrorCode::wrong_type, "found");
}

TEST(ErrorJsonTest, an_error_of_another_version_keeps_its_name) {
  const std::optional<Error> error =
      read_foreign_error(Json{{"code", "too_late"}, {"found", "noon"}, {"where", 7}}, ErrorCode::io_failure);
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(describe(*error), "io_failure: found too_late: noon.");
  EXPECT_FALSE(read_foreign_error(Json("text"), ErrorCode::io_failure).has_value());
}

}  // namespace
}  // namespace cce
