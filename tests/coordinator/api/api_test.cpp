// The REST interface as values: requests in, responses out, over a real JobService and a fake cluster.
#include "coordinator/api/api.h"

#include <sstream>

#include "tests/coordinator/service/service_fixture.h"

namespace cce {
namespace {

using testing::HasSubstr;
using testing::Not;

class ApiTest : public ServiceTest {
 protected:
  ApiTest() : log_(LogLevel::info, "test", &log_text_) { restart_api(); }

  void restart_api(AccessPolicy access = {}) {
    api_ = std::make_unique<Api>(*service_, std::move(access), log_);
  }

  /// As the server does it: the header is looked at before the body.
  HttpResponse ask(const std::string& method, const std::string& target, HttpHeaders headers = {},
                   const std::string& body = "") {
    headers.emplace_back("host", "localhost:8642");
    const bool has_type = std::any_of(headers.begin(), headers.end(),
                                      [](const auto& header) { return header.first == "content-type"; });
    if (method == "POST" && !has_type) {
      headers.emplace_back("content-type", "application/json");
    }
    HttpRequest request{.method = method, .target = target, .headers = std::move(headers), .body = {}};
    const HeadVerdict verdict = api_->check_head(request);
    if (verdict.refusal) {
      return *verdict.refusal;
    }
    request.body = body;
    return verdict.answer(request);
  }
  Json ask_json(const std::string& target) { return parse_json(ask("GET", target).body, target); }
  static std::string body_of(const HttpResponse& response) {
    return response.file ? response.file->file->read(response.file->first, response.file->bytes)
                         : response.body;
  }
  std::string completed_job() {
    const std::string id = create();
    reach(id, JobState::completed);
    return id;
  }

  std::ostringstream log_text_;
  Logger log_;
  std::unique_ptr<Api> api_;
};

struct StatusRow {
  const char* name;
  const char* method;
  std::string target;  // ID stands for a queued job, DONE for a completed one
  HttpHeaders headers;
  std::string body;
  int status;
  const char* contains;
};

class ApiStatusTest : public ApiTest, public testing::WithParamInterface<StatusRow> {};

TEST_P(ApiStatusTest, is_answered) {
  const StatusRow& row = GetParam();
  const std::string done = completed_job();
  const std::string queued = create(1);
  std::string target = row.target;
  for (const auto& [word, id] : {std::pair{"ID", queued}, std::pair{"DONE", done}}) {
    if (const std::size_t at = target.find(word); at != std::string::npos) {
      target.replace(at, std::string(word).size(), id);
    }
  }
  const HttpResponse response = ask(row.method, target, row.headers, row.body);
  EXPECT_EQ(response.status, row.status) << response.body;
  EXPECT_THAT(body_of(response), HasSubstr(row.contains));
  if (response.status >= 400) {
    EXPECT_EQ(response.header("content-type"), "application/problem+json");
    const Json problem = parse_json(response.body, "problem");
    EXPECT_EQ(problem["status"], row.status);
    EXPECT_FALSE(problem["detail"].get<std::string>().empty());
  }
  EXPECT_EQ(log_text_.str().find("ERROR"), std::string::npos) << log_text_.str();
}

const std::string deep(200, '[');

INSTANTIATE_TEST_SUITE_P(
    Rows, ApiStatusTest,
    testing::Values(
        StatusRow{"dashboard", "GET", "/", {}, "", 200, "<!doctype html>"},
        StatusRow{"dashboard_file", "GET", "/style.css", {}, "", 200, "{"},
        StatusRow{"no_such_file", "GET", "/favicon.ico", {}, "", 404, "not_found"},
        StatusRow{"health", "GET", "/healthz", {}, "", 200, R"("status":"ok")"},
        StatusRow{"ready", "GET", "/readyz", {}, "", 200, "ready"},
        StatusRow{"metrics", "GET", "/metrics", {}, "", 200, "cce_jobs{state=\"queued\"} 1\n"},
        StatusRow{"description", "GET", "/openapi.json", {}, "", 200, "\"openapi\": \"3.1.0\""},
        StatusRow{"jobs", "GET", "/v1/jobs", {}, "", 200, R"("state":"completed")"},
        StatusRow{"jobs_of_a_state", "GET", "/v1/jobs?state=lost", {}, "", 200, R"({"jobs":[],"next":null})"},
        StatusRow{"no_such_state", "GET", "/v1/jobs?state=sleeping", {}, "", 400, "bad_query"},
        StatusRow{"no_such_query", "GET", "/v1/jobs?stat=lost", {}, "", 400, "Did you mean"},
        StatusRow{"limit_zero", "GET", "/v1/jobs?limit=0", {}, "", 400, "bad_query"},
        StatusRow{"limit_large", "GET", "/v1/jobs?limit=1001", {}, "", 400, "bad_query"},
        StatusRow{"limit_no_number", "GET", "/v1/jobs?limit=-1", {}, "", 400, "bad_query"},
        StatusRow{
            "after_nothing", "GET", "/v1/jobs?after=aaaaaaaaaaaaaaaaaaaa", {}, "", 404, "job_not_found"},
        StatusRow{"after_empty", "GET", "/v1/jobs?after=", {}, "", 400, "bad_query"},
        StatusRow{"empty_event_id",
                  "GET",
                  "/v1/jobs/ID/events",
                  {{"last-event-id", ""}},
                  "",
                  400,
                  "malformed_request"},
        StatusRow{"query_twice", "GET", "/v1/jobs?limit=1&limit=2", {}, "", 400, "malformed_target"},
        StatusRow{"job", "GET", "/v1/jobs/ID", {}, "", 200, R"("state":"queued")"},
        StatusRow{"head_of_a_job", "HEAD", "/v1/jobs/ID", {}, "", 200, ""},
        StatusRow{"no_such_job", "GET", "/v1/jobs/nothing", {}, "", 404, "job_not_found"},
        StatusRow{"job_with_a_path", "GET", "/v1/jobs/..%2f..%2fetc", {}, "", 400, "malformed_target"},
        StatusRow{"final_slash", "GET", "/v1/jobs/", {}, "", 404, "not_found"},
        StatusRow{"wrong_method", "PUT", "/v1/jobs", {}, "", 405, "POST, GET, HEAD"},
        StatusRow{"wrong_method_of_a_job", "POST", "/v1/jobs/ID", {}, "{}", 405, "GET, HEAD, DELETE"},
        StatusRow{"odd_method", "BREW", "/healthz", {}, "", 405, "GET, HEAD"},
        StatusRow{"cancel", "DELETE", "/v1/jobs/ID", {}, "", 200, R"("state":"cancelled")"},
        StatusRow{"cancel_a_completed_one", "DELETE", "/v1/jobs/DONE", {}, "", 409, "wrong_job_state"},
        StatusRow{"cancel_nothing", "DELETE", "/v1/jobs/nothing", {}, "", 404, "job_not_found"},
        StatusRow{"resume_a_queued_one", "POST", "/v1/jobs/ID/resume", {}, "{}", 409, "wrong_job_state"},
        StatusRow{"resume_with_a_key", "POST", "/v1/jobs/ID/resume", {}, R"({"a":1})", 422, "unknown_key"},
        StatusRow{"resume_with_a_word",
                  "POST",
                  "/v1/jobs/ID/resume",
                  {},
                  R"({"allow_other_numerics":"yes"})",
                  422,
                  "wrong_type"},
        StatusRow{"resume_without_a_body", "POST", "/v1/jobs/ID/resume", {}, "", 400, "malformed_request"},
        StatusRow{"resume_with_a_list", "POST", "/v1/jobs/ID/resume", {}, "[]", 422, "wrong_type"},
        StatusRow{"recipe", "GET", "/v1/jobs/ID/recipe", {}, "", 200, "\"calibration\""},
        StatusRow{"report", "GET", "/v1/jobs/DONE/report", {}, "", 200, "\"schema_version\":1"},
        StatusRow{"report_too_early", "GET", "/v1/jobs/ID/report", {}, "", 404, "completed"},
        StatusRow{"artifacts", "GET", "/v1/jobs/DONE/artifacts", {}, "", 200, R"("path":"report.json")"},
        StatusRow{"artifacts_too_early", "GET", "/v1/jobs/ID/artifacts", {}, "", 404, "completed"},
        StatusRow{"artifact", "GET", "/v1/jobs/DONE/artifacts/report.json", {}, "", 200, "schema_version"},
        StatusRow{"artifact_range",
                  "GET",
                  "/v1/jobs/DONE/artifacts/report.json",
                  {{"range", "bytes=1-16"}},
                  "",
                  206,
                  "\"schema_version\""},
        StatusRow{"artifact_range_beyond",
                  "GET",
                  "/v1/jobs/DONE/artifacts/report.json",
                  {{"range", "bytes=100000-"}},
                  "",
                  416,
                  "range_not_satisfiable"},
        StatusRow{"artifact_of_another_version",
                  "GET",
                  "/v1/jobs/DONE/artifacts/report.json",
                  {{"range", "bytes=1-16"}, {"if-range", "\"other\""}},
                  "",
                  200,
                  "{\"schema_version\""},
        StatusRow{"no_such_artifact", "GET", "/v1/jobs/DONE/artifacts/none", {}, "", 404, "result_not_found"},
        StatusRow{"artifact_outside",
                  "GET",
                  "/v1/jobs/DONE/artifacts/../spec.json",
                  {},
                  "",
                  400,
                  "malformed_target"},
        StatusRow{"artifact_outside_escaped",
                  "GET",
                  "/v1/jobs/DONE/artifacts/%2e%2e/spec.json",
                  {},
                  "",
                  400,
                  "malformed_target"},
        StatusRow{"log", "GET", "/v1/jobs/ID/logs", {}, "", 200, ""},
        StatusRow{"log_of_nothing", "GET", "/v1/jobs/nothing/logs", {}, "", 404, "job_not_found"},
        StatusRow{"log_tail_zero", "GET", "/v1/jobs/ID/logs?tail=0", {}, "", 400, "bad_query"},
        StatusRow{"log_tail_word", "GET", "/v1/jobs/ID/logs?tail=all", {}, "", 400, "bad_query"},
        StatusRow{"bad_event_id",
                  "GET",
                  "/v1/jobs/ID/events",
                  {{"last-event-id", "7"}},
                  "",
                  400,
                  "malformed_request"},
        StatusRow{"bad_follow", "GET", "/v1/jobs/ID/events?follow=1", {}, "", 400, "bad_query"},
        StatusRow{"events_of_nothing", "GET", "/v1/jobs/nothing/events", {}, "", 404, "job_not_found"},
        StatusRow{
            "form", "POST", "/v1/jobs", {{"content-type", "text/plain"}}, "{}", 415, "application/json"},
        StatusRow{"no_json", "POST", "/v1/jobs", {}, "model: x", 400, "malformed_request"},
        StatusRow{"no_body", "POST", "/v1/jobs", {}, "", 400, "malformed_request"},
        StatusRow{"deep_json", "POST", "/v1/jobs", {}, deep, 400, "malformed_request"},
        StatusRow{
            "key_twice", "POST", "/v1/jobs", {}, R"({"model":"a","model":"b"})", 400, "malformed_request"},
        StatusRow{"list", "POST", "/v1/jobs", {}, "[]", 422, "wrong_type"},
        StatusRow{"unknown_key", "POST", "/v1/jobs", {}, R"({"model":"model","sed":1})", 422, "seed"},
        StatusRow{"model_outside", "POST", "/v1/jobs", {}, R"({"model":"/etc"})", 422, "out_of_range"},
        StatusRow{"no_such_model", "POST", "/v1/jobs", {}, R"({"model":"none"})", 422, "missing_file"},
        StatusRow{"bad_key",
                  "POST",
                  "/v1/jobs",
                  {{"idempotency-key", ""}},
                  R"({"model":"model"})",
                  422,
                  "Idempotency-Key"},
        StatusRow{"two_keys",
                  "POST",
                  "/v1/jobs",
                  {{"idempotency-key", "a"}, {"idempotency-key", "b"}},
                  R"({"model":"model"})",
                  400,
                  "bad_header"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(ApiTest, a_posted_recipe_becomes_one_job_however_often_it_is_sent) {
  const HttpResponse first = ask("POST", "/v1/jobs", {{"idempotency-key", "k1"}}, recipe());
  ASSERT_EQ(first.status, 201) << first.body;
  const std::string id = parse_json(first.body, "job")["id"];
  EXPECT_EQ(first.header("location"), "/v1/jobs/" + id);
  const HttpResponse again = ask("POST", "/v1/jobs", {{"idempotency-key", "k1"}}, recipe());
  EXPECT_EQ(again.status, 201);
  EXPECT_EQ(parse_json(again.body, "job")["id"], id);
  EXPECT_EQ(ask_json("/v1/jobs")["jobs"].size(), 1U);
  const HttpResponse other = ask("POST", "/v1/jobs", {{"idempotency-key", "k1"}}, recipe(7));
  EXPECT_EQ(other.status, 422) << other.body;
}

TEST_F(ApiTest, a_full_queue_says_when_to_come_back) {
  for (int seed = 0; seed < 5; ++seed) {
    ASSERT_EQ(ask("POST", "/v1/jobs", {}, recipe(seed)).status, 201);
  }
  const HttpResponse full = ask("POST", "/v1/jobs", {}, recipe(6));
  EXPECT_EQ(full.status, 429) << full.body;
  EXPECT_TRUE(full.header("retry-after"));
}

TEST_F(ApiTest, pages_of_jobs_follow_each_other) {
  for (int seed = 0; seed < 5; ++seed) {
    create(seed);
  }
  std::vector<std::string> ids;
  std::string after;
  for (int page = 0; page < 3; ++page) {
    const Json jobs = ask_json("/v1/jobs?limit=2" + (after.empty() ? "" : "&after=" + after));
    for (const Json& job : jobs["jobs"]) {
      ids.push_back(job["id"]);
    }
    after = jobs["next"].is_null() ? "" : jobs["next"].get<std::string>();
  }
  EXPECT_EQ(ids.size(), 5U);
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 5U);
  EXPECT_EQ(after, "");
}

TEST_F(ApiTest, a_cancelled_job_can_be_resumed) {
  const std::string id = create();
  ASSERT_EQ(ask("DELETE", "/v1/jobs/" + id).status, 200);
  const HttpResponse resumed = ask("POST", "/v1/jobs/" + id + "/resume", {}, "{}");
  ASSERT_EQ(resumed.status, 200) << resumed.body;
  EXPECT_EQ(parse_json(resumed.body, "job")["attempt"], 2);
}

TEST_F(ApiTest, a_resume_may_allow_other_numerics) {
  const std::string id = create();
  ASSERT_EQ(ask("DELETE", "/v1/jobs/" + id).status, 200);
  const HttpResponse resumed =
      ask("POST", "/v1/jobs/" + id + "/resume", {}, R"({"allow_other_numerics": true})");
  EXPECT_EQ(resumed.status, 200) << resumed.body;
}

TEST_F(ApiTest, events_go_on_after_any_position_without_gap_or_repeat) {
  const std::string id = completed_job();
  const EventPage all = api_->events(id, {}, 1000);
  ASSERT_GT(all.frames.size(), 5U);
  EXPECT_TRUE(all.ended);
  for (std::size_t cut = 0; cut < all.frames.size(); ++cut) {
    std::string text;
    for (std::size_t i = 0; i <= cut; ++i) {
      text += all.frames[i].text;
    }
    const EventPage rest = api_->events(id, all.frames[cut].position, 1000);
    for (const EventFrame& frame : rest.frames) {
      text += frame.text;
    }
    std::string whole;
    for (const EventFrame& frame : all.frames) {
      whole += frame.text;
    }
    EXPECT_EQ(text, whole) << "after " << cut;
  }
}

TEST_F(ApiTest, a_running_jobs_events_have_not_ended) {
  const std::string id = create();
  EXPECT_FALSE(api_->events(id, {}, 1000).ended);
  const HttpResponse response = ask("GET", "/v1/jobs/" + id + "/events", {{"last-event-id", "1.0"}});
  ASSERT_TRUE(response.stream);
  EXPECT_EQ(response.stream->job_id, id);
  EXPECT_EQ(response.stream->position, (StreamPosition{.state = 1, .event = 0}));
  EXPECT_EQ(response.header("content-type"), "text/event-stream");
}

TEST_F(ApiTest, logs_are_served_whole_in_part_and_by_their_tail) {
  const std::string id = create();
  const std::filesystem::path path = service_->log_path(id);
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path) << "first\nsecond\n";
  const std::string target = "/v1/jobs/" + id + "/logs";
  EXPECT_EQ(body_of(ask("GET", target)), "first\nsecond\n");
  EXPECT_EQ(body_of(ask("GET", target + "?tail=7")), "second\n");
  EXPECT_EQ(body_of(ask("GET", target + "?tail=1000")), "first\nsecond\n");
  EXPECT_EQ(body_of(ask("GET", target, {{"range", "bytes=6-"}})), "second\n");
  std::filesystem::remove(path);
  std::filesystem::create_symlink("/etc/hostname", path);
  EXPECT_EQ(body_of(ask("GET", target)), "") << "a link must not be followed";
}

TEST_F(ApiTest, links_in_a_result_are_not_followed) {
  const std::string id = completed_job();
  std::filesystem::create_symlink("/etc/passwd", service_->artifact_root(id) / "x");
  std::filesystem::create_directory_symlink("/etc", service_->artifact_root(id) / "folder");
  EXPECT_EQ(ask("GET", "/v1/jobs/" + id + "/artifacts/x").status, 404);
  EXPECT_EQ(ask("GET", "/v1/jobs/" + id + "/artifacts/folder/passwd").status, 404);
  EXPECT_THAT(ask("GET", "/v1/jobs/" + id + "/artifacts").body, Not(HasSubstr("passwd")));
}

TEST_F(ApiTest, an_unchanged_file_is_not_sent_again) {
  const std::string target = "/v1/jobs/" + completed_job() + "/artifacts/report.json";
  const std::string tag(*ask("GET", target).header("etag"));
  const HttpResponse same = ask("GET", target, {{"if-none-match", tag}});
  EXPECT_EQ(same.status, 304);
  EXPECT_FALSE(same.file);
  EXPECT_EQ(ask("GET", target, {{"range", "bytes=0-3"}, {"if-range", tag}}).status, 206);
}

TEST_F(ApiTest, without_the_token_nothing_is_told_but_the_page_itself) {
  const std::string id = create();
  restart_api({.loopback = false, .token = AccessToken("0123456789abcdef"), .hosts = {}});
  for (const ApiRoute& route : Api::routes()) {
    std::string target(route.pattern);
    for (const auto& [word, value] : {std::pair<std::string, std::string>{"{id}", id},
                                      {"{path...}", "report.json"},
                                      {"{file}", "style.css"}}) {
      if (const std::size_t at = target.find(word); at != std::string::npos) {
        target.replace(at, word.size(), value);
      }
    }
    const HttpResponse response = ask(std::string(route.method), target, {}, "{}");
    if (route.is_public) {
      EXPECT_EQ(response.status, 200) << target;
      EXPECT_THAT(response.body, Not(HasSubstr(id))) << target;
    } else {
      EXPECT_EQ(response.status, 401) << target;
      EXPECT_EQ(response.header("www-authenticate"), "Bearer realm=\"cce\"") << target;
    }
  }
  EXPECT_EQ(ask("GET", "/v1/jobs", {{"authorization", "Bearer 0123456789abcdef"}}).status, 200);
}

TEST_F(ApiTest, a_token_is_never_logged) {
  restart_api({.loopback = false, .token = AccessToken("0123456789abcdef"), .hosts = {}});
  ask("POST", "/v1/jobs", {{"authorization", "Bearer 0123456789abcdef"}}, recipe());
  ask("GET", "/v1/jobs", {{"authorization", "Bearer wrong-secret-000"}});
  EXPECT_THAT(log_text_.str(), Not(HasSubstr("0123456789abcdef")));
  EXPECT_THAT(log_text_.str(), Not(HasSubstr("wrong-secret")));
}

}  // namespace
}  // namespace cce
