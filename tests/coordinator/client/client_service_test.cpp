#include "coordinator/client/client_service.h"

#include <gmock/gmock.h>

#include <set>

#include "tests/common/error_matcher.h"
#include "tests/coordinator/client/client_fixture.h"

namespace cce {
namespace {

using ::testing::HasSubstr;

TEST(ClientService, a_submit_whose_answer_was_lost_comes_again_with_the_same_key) {
  ScriptedServer server([](const std::string&, std::size_t number) {
    switch (number) {
      case 0:
        return std::string("HTTP/1.1 201 Created\r\nContent-Length: 90\r\n\r\n{\"id\"");
      case 1:
        return ScriptedServer::response("503 Service Unavailable", "text/plain", "later");
      default:
        return ScriptedServer::json(job_text("queued"), "201 Created");
    }
  });
  const RemoteJob job = impatient_client(server).submit("{}", "key-1");
  EXPECT_EQ(job.id, "j1");
  ASSERT_EQ(server.requests().size(), 3U);
  for (const std::string& request : server.requests()) {
    EXPECT_EQ(line_of(request), "POST /v1/jobs HTTP/1.1");
    EXPECT_EQ(header_of(request, "Idempotency-Key"), "key-1");
    EXPECT_EQ(header_of(request, "Content-Type"), "application/json");
  }
}

TEST(ClientService, tries_end) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::response("502 Bad Gateway", "text/html", "<p>");
  });
  expect_error([&] { impatient_client(server, 3).job("j1"); }, ErrorCode::io_failure, "status 502");
  EXPECT_EQ(server.requests().size(), 3U);
}

TEST(ClientService, waiting_for_another_try_can_be_given_up) {
  ScriptedServer server([](const std::string&, std::size_t) {
    return ScriptedServer::response("503 Service Unavailable", "text/plain", "");
  });
  const ServiceClient client(HttpClient(parse_server_url(server.url()), ""), [](double) { return false; });
  expect_error([&] { client.job("j1"); }, ErrorCode::cancelled, "given up");
}

TEST(ClientService, a_resume_is_asked_for_once) {
  ScriptedServer server([](const std::string&, std::size_t) { return std::string("HTTP/1.1 20"); });
  expect_error([&] { impatient_client(server).resume("j1"); }, ErrorCode::io_failure, "");
  EXPECT_EQ(server.requests().size(), 1U);
}

struct ProblemRow {
  const char *status, *body;
  ErrorCode code;
  const char* part;
};

TEST(ClientService, problems_become_the_errors_they_describe) {
  const std::vector<ProblemRow> rows{
      {"422 Unprocessable Content",
       R"({"status": 422, "code": "unknown_key", "where": "request body: targt", "found": "targt", "expected": "target", "remedy": "Did you mean 'target'?", "detail": "d"})",
       ErrorCode::unknown_key, "request body: targt: found targt, expected target. Did you mean 'target'?"},
      {"404 Not Found", R"({"status": 404, "code": "not_found", "detail": "no job j1"})",
       ErrorCode::missing_file, "found not_found. no job j1."},
      {"401 Unauthorized", R"({"status": 401, "code": "unauthorized", "detail": "token"})",
       ErrorCode::impossible_combination, "--token-file"},
      {"409 Conflict", R"({"code": "impossible_combination", "where": "job j1", "found": "state completed"})",
       ErrorCode::impossible_combination, "job j1: found state completed"},
      {"507 Insufficient Storage", R"({"code": "disk_full", "where": "/data"})", ErrorCode::disk_full,
       "/data"},
      {"500 Internal Server Error", R"({"code": "io_failure", "detail": "The server failed"})",
       ErrorCode::io_failure, "The server failed"}};
  for (const ProblemRow& row : rows) {
    ScriptedServer server([&](const std::string&, std::size_t) {
      return ScriptedServer::response(row.status, "application/problem+json", row.body);
    });
    expect_error([&] { impatient_client(server).job("j1"); }, row.code, row.part);
    EXPECT_EQ(server.requests().size(), 1U) << row.status << " is not worth another try";
  }
}

TEST(ClientService, jobs_come_over_all_pages_up_to_the_most) {
  ScriptedServer server([](const std::string& request, std::size_t) {
    const bool second = line_of(request).find("after=j2") != std::string::npos;
    return ScriptedServer::json(
        second
            ? R"({"jobs": [{"id": "j1", "state": "failed"}], "next": null})"
            : R"({"jobs": [{"id": "j3", "state": "running"}, {"id": "j2", "state": "queued"}], "next": "j2"})");
  });
  const ServiceClient client = impatient_client(server);
  EXPECT_EQ(client.jobs("", 100).size(), 3U);
  EXPECT_EQ(client.jobs("", 1).size(), 1U);
  client.jobs("running", 100);
  EXPECT_THAT(line_of(server.requests()[3]), HasSubstr("&state=running"));
}

TEST(ClientService, ids_cannot_leave_their_place_in_the_address) {
  ScriptedServer server(
      [](const std::string&, std::size_t) { return ScriptedServer::json(job_text("queued")); });
  impatient_client(server).job("../x?y z");
  EXPECT_EQ(line_of(server.requests()[0]), "GET /v1/jobs/..%2Fx%3Fy%20z HTTP/1.1");
}

TEST(ClientService, answers_that_are_no_jobs_are_refused) {
  for (const char* body : {"[]", "{}", R"({"id": 1, "state": "x"})", "nonsense"}) {
    ScriptedServer server([&](const std::string&, std::size_t) { return ScriptedServer::json(body); });
    expect_error([&] { impatient_client(server).job("j1"); }, ErrorCode::malformed_file, "/v1/jobs/j1");
  }
}

TEST(ClientService, artifacts_lead_nowhere_else) {
  for (const char* path : {"/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a/.", "a\\\\b"}) {
    ScriptedServer server([&](const std::string&, std::size_t) {
      return ScriptedServer::json(std::string(R"({"artifacts": [{"path": ")") + path + R"(", "bytes": 1}]})");
    });
    expect_error([&] { impatient_client(server).artifacts("j1"); }, ErrorCode::malformed_file,
                 "leads elsewhere");
  }
}

TEST(ClientService, keys_differ) {
  std::set<std::string> keys;
  for (int i = 0; i < 100; ++i) {
    const std::string key = new_idempotency_key();
    EXPECT_EQ(key.size(), 32U);
    EXPECT_EQ(key.find_first_not_of("0123456789abcdef"), std::string::npos);
    keys.insert(key);
  }
  EXPECT_EQ(keys.size(), 100U);
}

TEST(ClientService, pauses_grow_to_a_bound_and_start_again) {
  BackOff back_off;
  double before = 0.0;
  for (int i = 0; i < 6; ++i) {
    const double pause = back_off.next_seconds();
    EXPECT_GT(pause, before) << i;
    before = pause / 1.25 / 0.75 * 0.75;
  }
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(back_off.next_seconds(), 12.5);
  }
  back_off.start_again();
  EXPECT_LE(back_off.next_seconds(), 0.3125);
}

}  // namespace
}  // namespace cce
