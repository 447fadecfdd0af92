#include "coordinator/api/api.h"

#include <algorithm>
#include <array>

#include "common/base/nearest_name.h"
#include "coordinator/http/problem_json.h"

namespace cce {
namespace {

/// "/v1/jobs/{id}" against ["v1", "jobs", "7"]: the parameters, or nothing.
std::optional<std::vector<std::string>> match_pattern(std::string_view pattern,
                                                      const std::vector<std::string>& segments) {
  std::vector<std::string> parameters;
  std::size_t at = 0;
  for (std::size_t begin = 1; begin < pattern.size(); ++at) {
    const std::size_t end = std::min(pattern.find('/', begin), pattern.size());
    const std::string_view part = pattern.substr(begin, end - begin);
    begin = end + 1;
    if (at >= segments.size()) {
      return std::nullopt;
    }
    if (part.ends_with("...}")) {
      std::string rest;
      for (; at < segments.size(); ++at) {
        rest += (rest.empty() ? "" : "/") + segments[at];
      }
      parameters.push_back(std::move(rest));
      return parameters;
    }
    if (part.starts_with('{')) {
      if (segments[at].empty()) {
        return std::nullopt;
      }
      parameters.push_back(segments[at]);
    } else if (part != segments[at]) {
      return std::nullopt;
    }
  }
  return at == segments.size() ? std::optional(std::move(parameters)) : std::nullopt;
}

bool serves(const ApiRoute& route, std::string_view method) {
  return route.method == method || (route.method == "GET" && method == "HEAD");
}

Problem bad_target() {
  return {400, "malformed_target", "The path or query of the request cannot be read.", {}};
}

}  // namespace

struct Api::Match {
  const ApiRoute* route = nullptr;
  std::vector<std::string> parameters;
  std::map<std::string, std::string> queries;
  std::optional<Problem> problem;
};

Api::Api(JobService& jobs, AccessPolicy access, Logger& log)
    : jobs_(jobs), access_(std::move(access)), log_(log) {}

std::span<const ApiRoute> Api::routes() {
  static const std::vector<ApiRoute> table{
      {"GET", "/", true, {}, &Api::dashboard},
      {"GET", "/{file}", true, {}, &Api::dashboard},
      {"GET", "/healthz", true, {}, &Api::health},
      {"GET", "/readyz", true, {}, &Api::ready},
      {"GET", "/openapi.json", true, {}, &Api::openapi},
      {"GET", "/metrics", false, {}, &Api::metrics},
      {"POST", "/v1/jobs", false, {}, &Api::create_job},
      {"GET", "/v1/jobs", false, {"state", "after", "limit"}, &Api::list_jobs},
      {"GET", "/v1/jobs/{id}", false, {}, &Api::get_job},
      {"DELETE", "/v1/jobs/{id}", false, {}, &Api::cancel_job},
      {"POST", "/v1/jobs/{id}/resume", false, {}, &Api::resume_job},
      {"GET", "/v1/jobs/{id}/events", false, {"follow"}, &Api::follow_job},
      {"GET", "/v1/jobs/{id}/recipe", false, {}, &Api::get_recipe},
      {"GET", "/v1/jobs/{id}/report", false, {}, &Api::get_report},
      {"GET", "/v1/jobs/{id}/report/tables", false, {}, &Api::get_report_tables},
      {"GET", "/v1/jobs/{id}/artifacts", false, {}, &Api::list_artifacts},
      {"GET", "/v1/jobs/{id}/artifacts/{path...}", false, {}, &Api::get_artifact},
      {"GET", "/v1/jobs/{id}/logs", false, {"tail"}, &Api::get_log},
  };
  return table;
}

/// Finds the row: of several patterns that fit (a dashboard file is any one segment) the last of the table.
Api::Match Api::match(const HttpRequest& request) const {
  Match match;
  const std::optional<RequestTarget> target = parse_target(request.target);
  if (!target) {
    match.problem = bad_target();
    return match;
  }
  std::string allowed;
  for (const ApiRoute& route : routes()) {
    const auto parameters = match_pattern(route.pattern, target->segments);
    if (!parameters) {
      continue;
    }
    if (serves(route, request.method)) {
      match.route = &route;
      match.parameters = *parameters;
    }
    if (route.pattern != "/{file}") {
      allowed += (allowed.empty() ? "" : ", ") + std::string(route.method);
      allowed += route.method == "GET" ? ", HEAD" : "";
    }
  }
  if (match.route == nullptr) {
    match.problem =
        allowed.empty()
            ? Problem{404, "not_found", "Nothing is served at this path.", {}}
            : Problem{405, "method_not_allowed", "Allowed here: " + allowed + ".", {{"allow", allowed}}};
    return match;
  }
  const std::vector<std::string> known(match.route->queries.begin(), match.route->queries.end());
  for (const auto& [name, value] : target->queries) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string hint = known.empty() ? "" : " " + did_you_mean(name, known);
      match.problem =
          Problem{400, "unknown_query", "This route does not know the query '" + name + "'." + hint, {}};
      return match;
    }
    match.queries.emplace(name, value);
  }
  return match;
}

HeadVerdict Api::check_head(const HttpRequest& head) {
  Match found = match(head);
  const bool is_public = found.route != nullptr && found.route->is_public;
  // Access comes first: who may not in is not told what there is.
  std::optional<Problem> problem = check_access(access_, head, is_public);
  if (!problem) {
    problem = found.problem;
  }
  if (!problem) {
    problem = check_content_type(head);
  }
  if (problem) {
    HttpResponse response = problem_response(*problem);
    response.route = found.route != nullptr ? found.route->pattern : "";
    return {.refusal = std::move(response), .answer = {}};
  }
  return {.refusal = std::nullopt, .answer = [this, found = std::move(found)](const HttpRequest& request) {
            return answer(found, request);
          }};
}

HttpResponse Api::answer(const Match& found, const HttpRequest& request) const {
  HttpResponse response;
  const std::string route = std::string(found.route->method) + " " + std::string(found.route->pattern);
  try {
    response = (this->*found.route->answer)(
        {.request = request, .parameters = found.parameters, .queries = found.queries});
  } catch (const Error& error) {
    response = problem_response(error);
    const ErrorKind kind = error_row(error.code).kind;
    if (kind == ErrorKind::busy || kind == ErrorKind::unavailable) {
      response.headers.emplace_back("retry-after", "30");
    }
    if (is_private(kind)) {
      log_.error(route + ": " + describe(error));
    }
  } catch (const std::exception& failure) {
    log_.error(route + ": " + failure.what());
    response = problem_response(Problem{500, "internal", "The server failed; its log says how.", {}});
  }
  response.route = found.route->pattern;
  response.headers.emplace_back("x-content-type-options", "nosniff");
  if (!response.header("cache-control")) {
    response.headers.emplace_back("cache-control", "no-store");
  }
  return response;
}

EventPage Api::events(const std::string& job_id, const StreamPosition& after, std::size_t most_frames) {
  EventPage page;
  try {
    // The view first: once it is final, what it counts is all there is to come.
    const JobViewPointer job = jobs_.get(job_id);
    const std::vector<StreamItem> items = jobs_.events(job_id, after, most_frames);
    for (const StreamItem& item : items) {
      page.frames.push_back(make_frame(item.position, item.is_state ? "state" : "event", item.json));
    }
    const StreamPosition reached = items.empty() ? after : items.back().position;
    page.ended = is_final(job->state) && (reached >= job->position || items.empty());
  } catch (const Error& error) {
    log_.error("events of job " + job_id + ": " + describe(error));
    page.ended = true;
  } catch (const std::exception& failure) {
    log_.error("events of job " + job_id + ": " + failure.what());
    page.ended = true;
  }
  return page;
}

}  // namespace cce
