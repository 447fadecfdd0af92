#include "coordinator/http/problem_json.h"

#include <gtest/gtest.h>

#include "common/base/json_reader.h"

namespace cce {
namespace {

TEST(ProblemTest, an_error_becomes_its_parts) {
  const HttpResponse response = problem_response(Error{.code = ErrorCode::unknown_key,
                                                       .where = "request body: encode.refine",
                                                       .found = "refine",
                                                       .expected = "refine_steps",
                                                       .remedy = "Did you mean refine_steps?"});
  EXPECT_EQ(response.status, 422);
  EXPECT_EQ(response.header("content-type"), "application/problem+json");
  const Json problem = parse_json(response.body, "problem");
  EXPECT_EQ(problem["type"], "urn:cce:problem:unknown_key");
  EXPECT_EQ(problem["status"], 422);
  EXPECT_EQ(problem["title"], "Unprocessable Content");
  EXPECT_EQ(problem["where"], "request body: encode.refine");
  EXPECT_EQ(problem["remedy"], "Did you mean refine_steps?");
}

TEST(ProblemTest, the_servers_own_faults_tell_nothing_of_it) {
  for (const auto& [code, status] :
       {std::pair(ErrorCode::io_failure, 500), std::pair(ErrorCode::disk_full, 507)}) {
    const HttpResponse response = problem_response(Error{.code = code,
                                                         .where = "/srv/private/jobs.sqlite",
                                                         .found = "database or disk is full",
                                                         .expected = "",
                                                         .remedy = ""});
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body.find("private"), std::string::npos);
    const Json problem = parse_json(response.body, "problem");
    EXPECT_FALSE(problem["remedy"].get<std::string>().empty());
    EXPECT_FALSE(problem["found"].get<std::string>().empty());
    EXPECT_EQ(problem["where"], "the server");
  }
}

TEST(ProblemTest, text_that_is_not_utf8_is_replaced) {
  const HttpResponse response = problem_response(
      Error{.code = ErrorCode::wrong_type, .where = "\xff", .found = "\xc3", .expected = "", .remedy = ""});
  EXPECT_NO_THROW(parse_json(response.body, "problem"));
}

TEST(ProblemTest, headers_are_kept) {
  const HttpResponse response = problem_response(Problem{405, "method_not_allowed", "x", {{"allow", "GET"}}});
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.header("allow"), "GET");
}

TEST(ProblemTest, every_code_has_a_status_with_a_phrase) {
  for (const ErrorRow& row : error_table()) {
    EXPECT_NE(status_phrase(http_status(row.kind)), "Unknown") << row.name;
  }
}

}  // namespace
}  // namespace cce
