#include "common/base/json_writer.h"
#include "common/base/version.h"
#include "coordinator/api/api.h"
#include "coordinator/api/openapi.h"
#include "coordinator/http/problem_json.h"
#include "coordinator/page/dashboard_files.h"

namespace cce {

/// The static page, which tells nothing of any job.
HttpResponse Api::dashboard(const ApiCall& call) const {
  const std::optional<DashboardFile> file =
      dashboard_file(call.parameters.empty() ? "/" : "/" + call.parameters[0]);
  if (!file) {
    return problem_response(Problem{404, "not_found", "Nothing is served at this path.", {}});
  }
  HttpResponse response;
  response.headers = {{"content-type", std::string(file->content_type)},
                      {"content-security-policy", std::string(dashboard_security_policy())},
                      {"referrer-policy", "no-referrer"},
                      {"x-frame-options", "DENY"},
                      {"cache-control", "no-cache"}};
  response.body = file->content;
  return response;
}

HttpResponse Api::health(const ApiCall&) const {
  OrderedJson document;
  document["status"] = "ok";
  document["version"] = std::string(code_version);
  return json_response(200, compact_json(document));
}

HttpResponse Api::ready(const ApiCall&) const {
  std::string reason;
  if (!jobs_.ready(reason)) {
    log_.error("not ready: " + reason);
    return problem_response(Problem{503,
                                    "not_ready",
                                    "The data folder takes no writes; the server's log says why.",
                                    {{"retry-after", "10"}}});
  }
  return json_response(200, R"({"status":"ready"})");
}

HttpResponse Api::metrics(const ApiCall&) const {
  HttpResponse response;
  response.headers = {{"content-type", "text/plain; version=0.0.4; charset=utf-8"}};
  response.body = metrics_text(jobs_.metrics(), figures_.all(), resident_bytes());
  return response;
}

HttpResponse Api::openapi(const ApiCall&) const {
  HttpResponse response = json_response(200, openapi_document());
  response.headers.emplace_back("cache-control", "no-cache");
  return response;
}

}  // namespace cce
