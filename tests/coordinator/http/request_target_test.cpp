#include "coordinator/http/request_target.h"

#include <gmock/gmock.h>

namespace cce {
namespace {

using testing::ElementsAre;
using testing::Pair;

TEST(RequestTargetTest, is_taken_apart_and_decoded) {
  const auto target = parse_target("/v1/jobs/a%20b/artifacts/x/y.json?state=running&after=%C3%A9+z&flag");
  ASSERT_TRUE(target);
  EXPECT_THAT(target->segments, ElementsAre("v1", "jobs", "a b", "artifacts", "x", "y.json"));
  EXPECT_THAT(target->queries, ElementsAre(Pair("state", "running"), Pair("after", "é z"), Pair("flag", "")));
}

TEST(RequestTargetTest, a_final_slash_is_a_segment_of_its_own) {
  EXPECT_THAT(parse_target("/")->segments, ElementsAre());
  EXPECT_THAT(parse_target("/v1/")->segments, ElementsAre("v1", ""));
}

struct BadTarget {
  const char* name;
  std::string target;
};

class BadTargetTest : public testing::TestWithParam<BadTarget> {};

TEST_P(BadTargetTest, is_refused) {
  EXPECT_FALSE(parse_target(GetParam().target));
}

INSTANTIATE_TEST_SUITE_P(
    Rows, BadTargetTest,
    testing::Values(BadTarget{"empty", ""}, BadTarget{"no_slash", "v1"}, BadTarget{"asterisk", "*"},
                    BadTarget{"absolute", "http://localhost/v1"}, BadTarget{"fragment", "/v1#x"},
                    BadTarget{"parent", "/v1/../etc"}, BadTarget{"escaped_parent", "/v1/%2e%2E/etc"},
                    BadTarget{"this_folder", "/v1/./jobs"}, BadTarget{"empty_segment", "//v1"},
                    BadTarget{"escaped_slash", "/v1/a%2Fb"}, BadTarget{"backslash", "/v1/a%5cb"},
                    BadTarget{"nul", "/v1/a%00b"}, BadTarget{"line_break", "/v1/a%0ab"},
                    BadTarget{"half_an_escape", "/v1/%4"}, BadTarget{"no_hexadecimal", "/v1/%zz"},
                    BadTarget{"not_utf8", "/v1/%ff%fe"}, BadTarget{"overlong_utf8", "/v1/%c0%ae"},
                    BadTarget{"raw_control", "/v1/a\x01"}, BadTarget{"query_twice", "/v1?a=1&a=2"},
                    BadTarget{"query_without_name", "/v1?=2"}, BadTarget{"query_nul", "/v1?a=%00"},
                    BadTarget{"long", "/" + std::string(9000, 'a')}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace cce
