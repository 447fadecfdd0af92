#include "coordinator/http/access.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "common/base/error.h"
#include "tests/common/temporary_folder.h"

namespace cce {
namespace {

const char* const secret = "0123456789abcdef0123456789abcdef";

AccessPolicy loopback() {
  return {.loopback = true, .token = {}, .hosts = {}};
}
AccessPolicy loopback_with_proxy() {
  return {.loopback = true, .token = AccessToken(secret), .hosts = {"cce.example"}};
}
AccessPolicy reachable() {
  return {.loopback = false, .token = AccessToken(secret), .hosts = {}};
}

struct AccessRow {
  const char* name;
  AccessPolicy (*policy)();
  HttpHeaders headers;
  int status;  // 0: let in
};

class AccessTest : public testing::TestWithParam<AccessRow> {};

TEST_P(AccessTest, is_decided) {
  const AccessRow& row = GetParam();
  const HttpRequest request{.method = "GET", .target = "/v1/jobs", .headers = row.headers, .body = {}};
  const std::optional<Problem> problem = check_access(row.policy(), request, false);
  EXPECT_EQ(problem ? problem->status : 0, row.status) << (problem ? problem->detail : "");
}

const std::pair<std::string, std::string> bearer{"authorization", std::string("Bearer ") + secret};

INSTANTIATE_TEST_SUITE_P(
    Rows, AccessTest,
    testing::Values(
        AccessRow{"localhost", loopback, {{"host", "localhost"}}, 0},
        AccessRow{"localhost_and_port", loopback, {{"host", "LocalHost:8642"}}, 0},
        AccessRow{"v4", loopback, {{"host", "127.0.0.1:1"}}, 0},
        AccessRow{"v6", loopback, {{"host", "[::1]:8642"}}, 0}, AccessRow{"no_host", loopback, {}, 400},
        AccessRow{"two_hosts", loopback, {{"host", "localhost"}, {"host", "localhost"}}, 400},
        AccessRow{"host_with_a_path", loopback, {{"host", "localhost/x"}}, 400},
        AccessRow{"host_with_a_bad_port", loopback, {{"host", "localhost:80x"}}, 400},
        AccessRow{"a_name_that_leads_here", loopback, {{"host", "evil.example:8642"}}, 421},
        AccessRow{"a_name_that_begins_alike", loopback, {{"host", "localhost.evil.example"}}, 421},
        AccessRow{
            "own_origin", loopback, {{"host", "localhost:8642"}, {"origin", "http://localhost:8642"}}, 0},
        AccessRow{
            "other_port", loopback, {{"host", "localhost:8642"}, {"origin", "http://localhost:3000"}}, 403},
        AccessRow{
            "foreign_origin", loopback, {{"host", "localhost"}, {"origin", "https://evil.example"}}, 403},
        AccessRow{"null_origin", loopback, {{"host", "localhost"}, {"origin", "null"}}, 403},
        AccessRow{"proxy_name", loopback_with_proxy, {{"host", "cce.example"}, bearer}, 0},
        AccessRow{"proxy_origin",
                  loopback_with_proxy,
                  {{"host", "127.0.0.1:8642"}, {"origin", "https://cce.example"}, bearer},
                  0},
        AccessRow{"any_name_from_outside", reachable, {{"host", "gpu-7.cluster:8642"}, bearer}, 0},
        AccessRow{"no_token", reachable, {{"host", "gpu-7"}}, 401},
        AccessRow{"scheme_in_any_case",
                  reachable,
                  {{"host", "a"}, {"authorization", std::string("bEARER ") + secret}},
                  0},
        AccessRow{
            "wrong_token", reachable, {{"host", "a"}, {"authorization", "Bearer 0123456789abcdef"}}, 401},
        AccessRow{"token_and_more",
                  reachable,
                  {{"host", "a"}, {"authorization", std::string("Bearer ") + secret + "x"}},
                  401},
        AccessRow{"empty_token", reachable, {{"host", "a"}, {"authorization", "Bearer "}}, 401},
        AccessRow{
            "basic", reachable, {{"host", "a"}, {"authorization", std::string("Basic ") + secret}}, 401},
        AccessRow{"two_tokens", reachable, {{"host", "a"}, bearer, bearer}, 401}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(AccessPolicyTest, a_public_route_needs_no_token_but_a_known_host) {
  HttpRequest request{.method = "GET", .target = "/", .headers = {{"host", "localhost"}}, .body = {}};
  EXPECT_FALSE(check_access(loopback_with_proxy(), request, true));
  request.headers = {{"host", "evil.example"}};
  EXPECT_EQ(check_access(loopback_with_proxy(), request, true)->status, 421);
}

struct TypeRow {
  const char* method;
  HttpHeaders headers;
  bool good;
};

TEST(ContentTypeTest, only_json_is_posted) {
  const TypeRow rows[] = {
      {"POST", {{"content-type", "application/json"}}, true},
      {"POST", {{"content-type", "Application/JSON ; charset=utf-8"}}, true},
      {"POST", {{"content-type", "text/plain"}}, false},
      {"POST", {{"content-type", "application/json-patch"}}, false},
      {"POST", {{"content-type", "application/x-www-form-urlencoded"}}, false},
      {"POST", {}, false},
      {"POST", {{"content-type", "application/json"}, {"content-type", "text/plain"}}, false},
      {"GET", {}, true},
      {"DELETE", {}, true},
  };
  for (const TypeRow& row : rows) {
    const HttpRequest request{.method = row.method, .target = "/", .headers = row.headers, .body = {}};
    EXPECT_EQ(!check_content_type(request), row.good)
        << row.method << " " << (row.headers.empty() ? "" : row.headers[0].second);
  }
}

struct TokenRow {
  const char* name;
  std::string content;
  mode_t mode;
  bool good;
};

TEST(TokenFileTest, is_the_owners_alone_and_holds_one_word) {
  const TokenRow rows[] = {
      {"good", std::string(secret) + "\n", 0600, true},
      {"no_line_break", secret, 0600, true},
      {"read_only", secret, 0400, true},
      {"group_reads", secret, 0640, false},
      {"others_read", secret, 0604, false},
      {"others_write", secret, 0602, false},
      {"short", "0123456789abcde", 0600, false},
      {"empty", "", 0600, false},
      {"blank_inside", "0123456789 abcdef0123", 0600, false},
      {"two_lines", std::string(secret) + "\n" + secret + "\n", 0600, false},
      {"long", std::string(600, 'a'), 0600, false},
  };
  for (const TokenRow& row : rows) {
    const TemporaryFolder folder;
    const std::filesystem::path file = folder.path() / "token";
    std::ofstream(file) << row.content;
    ASSERT_EQ(::chmod(file.c_str(), row.mode), 0);
    try {
      EXPECT_TRUE(read_token_file(file).matches(secret)) << row.name;
      EXPECT_TRUE(row.good) << row.name;
    } catch (const Error& error) {
      EXPECT_FALSE(row.good) << row.name << ": " << describe(error);
      EXPECT_EQ(describe(error).find(row.content.empty() ? "\x01" : row.content), std::string::npos)
          << row.name << ": an error must not tell the token";
    }
  }
}

TEST(TokenFileTest, a_missing_file_and_a_folder_are_refused) {
  const TemporaryFolder folder;
  EXPECT_THROW(read_token_file(folder.path() / "none"), Error);
  EXPECT_THROW(read_token_file(folder.path()), Error);
}

TEST(AccessTokenTest, matches_itself_only) {
  const AccessToken token(secret);
  EXPECT_TRUE(token.matches(secret));
  EXPECT_FALSE(token.matches(""));
  EXPECT_FALSE(token.matches("0123456789abcdef0123456789abcdeF"));
}

TEST(LoopbackTest, is_told_from_other_addresses) {
  EXPECT_TRUE(is_loopback_address("127.0.0.1"));
  EXPECT_TRUE(is_loopback_address("127.1.2.3"));
  EXPECT_TRUE(is_loopback_address("::1"));
  EXPECT_FALSE(is_loopback_address("0.0.0.0"));
  EXPECT_FALSE(is_loopback_address("::"));
  EXPECT_FALSE(is_loopback_address("10.0.0.1"));
}

}  // namespace
}  // namespace cce
