#include "coordinator/client/client_service.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <random>

namespace cce {
namespace {

constexpr double first_pause_seconds = 0.25;
constexpr double longest_pause_seconds = 10.0;
constexpr int doublings = 6;
constexpr std::size_t page_jobs = 200;

bool is_busy(int status) {
  constexpr std::array statuses{429, 502, 503, 504};
  return std::find(statuses.begin(), statuses.end(), status) != statuses.end();
}

ErrorCode code_of_status(int status) {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
    case 431:
      return ErrorCode::out_of_range;
    case 401:
    case 403:
    case 409:
    case 421:
      return ErrorCode::impossible_combination;
    case 404:
    case 405:
      return ErrorCode::missing_file;
    case 507:
      return ErrorCode::disk_full;
    default:
      return ErrorCode::io_failure;
  }
}

std::string job_target(const std::string& id, const std::string& rest = "") {
  return "/v1/jobs/" + percent_encoded(id) + rest;
}

[[noreturn]] void refuse_answer(const std::string& where, const std::string& found) {
  throw Error{.code = ErrorCode::malformed_file,
              .where = where,
              .found = found,
              .remedy = "Check that this is a cce server of this version."};
}

}  // namespace

bool is_plain_relative(const std::string& path) {
  const std::filesystem::path parts(path);
  return !path.empty() && parts.is_relative() && path.find('\\') == std::string::npos &&
         path.find("//") == std::string::npos && path.find('\0') == std::string::npos &&
         std::all_of(parts.begin(), parts.end(), [](const std::filesystem::path& part) {
           return !part.empty() && part != "." && part != "..";
         });
}

double BackOff::next_seconds() {
  const double pause = std::min(longest_pause_seconds,
                                first_pause_seconds * static_cast<double>(1 << std::min(tries_, doublings)));
  ++tries_;
  std::random_device source;
  return pause * (0.75 + 0.5 * static_cast<double>(source() % 1000U) / 1000.0);
}

ServiceClient::ServiceClient(HttpClient client, Waiter waiter, int tries)
    : client_(std::move(client)), waiter_(std::move(waiter)), tries_(tries) {}

RemoteJob ServiceClient::submit(const std::string& recipe_json, const std::string& idempotency_key) const {
  return send_for_job(
      {.method = "POST",
       .target = "/v1/jobs",
       .headers = {{"Content-Type", "application/json"}, {"Idempotency-Key", idempotency_key}},
       .body = recipe_json},
      true);
}

std::vector<RemoteJob> ServiceClient::jobs(const std::string& state, std::size_t most) const {
  std::vector<RemoteJob> result;
  std::string after;
  do {
    std::string target = "/v1/jobs?limit=" + std::to_string(std::min(page_jobs, most));
    target += state.empty() ? "" : "&state=" + percent_encoded(state);
    target += after.empty() ? "" : "&after=" + percent_encoded(after);
    const Json page = send_for_json({.method = "GET", .target = target, .headers = {}, .body = {}}, true);
    const Json* list = page.is_object() && page.contains("jobs") ? &page["jobs"] : nullptr;
    if (list == nullptr || !list->is_array()) {
      refuse_answer(server_text() + target, "an answer without a list of jobs");
    }
    for (const Json& job : *list) {
      result.push_back(parse_remote_job(job, server_text() + target));
    }
    const bool more = page.contains("next") && page["next"].is_string() && !list->empty();
    after = more ? page["next"].get<std::string>() : "";
  } while (!after.empty() && result.size() < most);
  result.resize(std::min(result.size(), most));
  return result;
}

RemoteJob ServiceClient::job(const std::string& id) const {
  return send_for_job({.method = "GET", .target = job_target(id), .headers = {}, .body = {}}, true);
}

RemoteJob ServiceClient::cancel(const std::string& id) const {
  return send_for_job({.method = "DELETE", .target = job_target(id), .headers = {}, .body = {}}, true);
}

RemoteJob ServiceClient::resume(const std::string& id, bool other_numerics) const {
  return send_for_job({.method = "POST",
                       .target = job_target(id, "/resume"),
                       .headers = {{"Content-Type", "application/json"}},
                       .body = other_numerics ? R"({"allow_other_numerics": true})" : "{}"},
                      false);
}

std::string ServiceClient::report(const std::string& id) const {
  return send({.method = "GET", .target = job_target(id, "/report"), .headers = {}, .body = {}}, true).body;
}

std::vector<Artifact> ServiceClient::artifacts(const std::string& id) const {
  const std::string target = job_target(id, "/artifacts");
  const Json document = send_for_json({.method = "GET", .target = target, .headers = {}, .body = {}}, true);
  if (!document.is_object() || !document.contains("artifacts") || !document["artifacts"].is_array()) {
    refuse_answer(server_text() + target, "an answer without a list of artifacts");
  }
  std::vector<Artifact> result;
  for (const Json& item : document["artifacts"]) {
    Artifact artifact;
    const bool named = item.is_object() && item.contains("path") && item["path"].is_string();
    const bool sized = named && item.contains("bytes") && item["bytes"].is_number_unsigned();
    if (!sized || !is_plain_relative(item["path"].get<std::string>())) {
      refuse_answer(server_text() + target, "an artifact without a size or with a path that leads elsewhere");
    }
    artifact.path = item["path"].get<std::string>();
    artifact.bytes = item["bytes"].get<std::int64_t>();
    result.push_back(std::move(artifact));
  }
  return result;
}

bool ServiceClient::events(const std::string& id, const std::string& last_event_id,
                           const ClientReceiver& receiver) const {
  ClientRequest request{.method = "GET",
                        .target = job_target(id, "/events"),
                        .headers = {{"Accept", "text/event-stream"}},
                        .body = {}};
  if (!last_event_id.empty()) {
    request.headers.emplace_back("Last-Event-ID", last_event_id);
  }
  return stream(request, {200}, receiver);
}

bool ServiceClient::artifact(const std::string& id, const std::string& path, std::int64_t offset,
                             const std::string& if_range, const ClientReceiver& receiver) const {
  ClientRequest request{.method = "GET",
                        .target = job_target(id, "/artifacts/" + percent_encoded(path, true)),
                        .headers = {},
                        .body = {}};
  if (offset > 0) {
    request.headers.emplace_back("Range", "bytes=" + std::to_string(offset) + "-");
    if (!if_range.empty()) {
      request.headers.emplace_back("If-Range", if_range);
    }
  }
  return stream(request, {200, 206, 416}, receiver);
}

bool ServiceClient::stream(const ClientRequest& request, const std::vector<int>& statuses,
                           const ClientReceiver& receiver) const {
  constexpr std::size_t problem_bytes = std::size_t{1} << 20;
  ClientResponse problem;
  bool refused = false;
  const bool whole = client_.stream(request, {.head =
                                                  [&](const ClientHead& head) {
                                                    refused = std::find(statuses.begin(), statuses.end(),
                                                                        head.status) == statuses.end();
                                                    problem.head = head;
                                                    return refused || receiver.head(head);
                                                  },
                                              .body =
                                                  [&](std::string_view part) {
                                                    if (!refused) {
                                                      return receiver.body(part);
                                                    }
                                                    problem.body += part;
                                                    return problem.body.size() < problem_bytes;
                                                  },
                                              .idle = receiver.idle});
  if (refused) {
    refuse(problem, request.target);
  }
  return whole;
}

ClientResponse ServiceClient::send(const ClientRequest& request, bool may_repeat) const {
  BackOff back_off;
  for (int left = may_repeat ? tries_ : 1;; --left) {
    std::optional<ClientResponse> response;
    try {
      response = client_.send(request);
    } catch (const Error& error) {
      if (left <= 1 || !is_connection_trouble(error)) {
        throw;
      }
    }
    if (response && response->head.status / 100 == 2) {
      return *std::move(response);
    }
    if (response && (left <= 1 || !is_busy(response->head.status))) {
      refuse(*response, request.target);
    }
    if (!waiter_(back_off.next_seconds())) {
      throw Error{.code = ErrorCode::cancelled,
                  .where = server_text(),
                  .found = "",
                  .expected = "",
                  .remedy = "The request was given up before it was answered."};
    }
  }
}

Json ServiceClient::send_for_json(const ClientRequest& request, bool may_repeat) const {
  return parse_json(send(request, may_repeat).body, server_text() + request.target);
}

RemoteJob ServiceClient::send_for_job(const ClientRequest& request, bool may_repeat) const {
  return parse_remote_job(send_for_json(request, may_repeat), server_text() + request.target);
}

void ServiceClient::refuse(const ClientResponse& response, const std::string& target) const {
  const int status = response.head.status;
  std::optional<Error> error;
  if (response.head.header("content-type").starts_with("application/problem+json")) {
    error = parse_remote_error(parse_json(response.body, server_text() + target), code_of_status(status));
  }
  if (!error) {
    error = Error{.code = code_of_status(status), .found = "HTTP status " + std::to_string(status)};
  }
  if (error->where.empty()) {
    error->where = server_text() + target;
  }
  if (status == 401) {
    error->remedy = "Name the file that holds the server's token: --token-file FILE or CCE_TOKEN_FILE.";
  }
  throw Error(*error);
}

std::string new_idempotency_key() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::random_device source;
  std::string key;
  for (int i = 0; i < 32; ++i) {
    key += digits[source() % 16U];
  }
  return key;
}

bool is_connection_trouble(const Error& error) {
  return error.code == ErrorCode::io_failure || error.code == ErrorCode::deadline_exceeded;
}

}  // namespace cce
