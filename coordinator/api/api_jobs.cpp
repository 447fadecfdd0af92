#include <algorithm>

#include "common/base/json_reader.h"
#include "common/base/nearest_name.h"
#include "coordinator/api/api.h"
#include "coordinator/api/api_json.h"
#include "coordinator/http/http_client_url.h"
#include "coordinator/http/problem_json.h"
#include "coordinator/service/request_body.h"

namespace cce {
namespace {

constexpr std::size_t default_page = 100;
constexpr std::size_t largest_page = 1000;

HttpResponse refuse_query(const std::string& name, const std::string& expected) {
  return problem_response(Problem{400, "bad_query", "The query '" + name + "' takes " + expected + ".", {}});
}

std::optional<std::size_t> parse_limit(const std::string& text) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (text.empty() || text.size() > 4 || !digits) {
    return std::nullopt;
  }
  const std::size_t limit = std::stoul(text);
  return limit >= 1 && limit <= largest_page ? std::optional(limit) : std::nullopt;
}

}  // namespace

HttpResponse Api::create_job(const ApiCall& call) const {
  if (call.request.count("idempotency-key") > 1) {
    return problem_response(Problem{400, "bad_header", "There is more than one Idempotency-Key.", {}});
  }
  std::optional<std::string> key;
  if (const auto header = call.request.header("idempotency-key")) {
    key = std::string(*header);
  }
  const CreatedJob created = jobs_.create(call.request.body, key);
  // The job that a key made before is answered like a new one: the client may never have seen that answer.
  HttpResponse response = json_response(201, job_text(*created.job));
  response.headers.emplace_back("location", "/v1/jobs/" + percent_encoded(created.job->id));
  if (created.is_new) {
    log_.info("job " + created.job->id + " created");
  }
  return response;
}

HttpResponse Api::list_jobs(const ApiCall& call) const {
  std::optional<JobState> state;
  if (const auto query = call.queries.find("state"); query != call.queries.end()) {
    state = parse_state(query->second);
    if (!state) {
      return refuse_query("state", join_names(state_names()));
    }
  }
  std::size_t limit = default_page;
  if (const auto query = call.queries.find("limit"); query != call.queries.end()) {
    const std::optional<std::size_t> asked = parse_limit(query->second);
    if (!asked) {
      return refuse_query("limit", "a number from 1 to 1000");
    }
    limit = *asked;
  }
  const auto after = call.queries.find("after");
  if (after != call.queries.end() && after->second.empty()) {
    return refuse_query("after", "the id of a job");
  }
  return json_response(
      200, job_page_json(jobs_.list(state, after == call.queries.end() ? "" : after->second, limit)));
}

HttpResponse Api::get_job(const ApiCall& call) const {
  return json_response(200, job_text(*jobs_.get(call.parameters[0])));
}

HttpResponse Api::cancel_job(const ApiCall& call) const {
  return json_response(200, job_text(*jobs_.cancel(call.parameters[0])));
}

HttpResponse Api::resume_job(const ApiCall& call) const {
  const Json options = parse_request_body(call.request.body);
  JsonReader reader(options, std::string(request_body_name));
  if (!reader.is_object()) {
    reader.refuse(ErrorCode::wrong_type, "an object", "Send {}.");
  }
  const bool other_numerics = reader.boolean_or("allow_other_numerics", false);
  reader.refuse_unknown_keys();
  return json_response(200, job_text(*jobs_.resume(call.parameters[0], other_numerics)));
}

HttpResponse Api::follow_job(const ApiCall& call) const {
  const auto header = call.request.header("last-event-id");
  const StreamPosition from = header ? parse_stream_position(*header) : StreamPosition();
  bool follow = true;
  if (const auto query = call.queries.find("follow"); query != call.queries.end()) {
    if (query->second != "true" && query->second != "false") {
      return refuse_query("follow", "true or false");
    }
    follow = query->second == "true";
  }
  const JobViewPointer job = jobs_.get(call.parameters[0]);
  HttpResponse response;
  response.headers = {{"content-type", "text/event-stream"}, {"x-accel-buffering", "no"}};
  response.stream = StreamOrder{.job_id = job->id, .position = from, .follow = follow};
  return response;
}

}  // namespace cce
