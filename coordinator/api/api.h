#pragma once
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/log.h"
#include "coordinator/api/metrics_text.h"
#include "coordinator/http/access.h"
#include "coordinator/http/http_handler.h"
#include "coordinator/http/request_target.h"
#include "coordinator/service/job_service.h"

namespace cce {

/// A request that the router has taken apart.
struct ApiCall {
  const HttpRequest& request;
  const std::vector<std::string>& parameters;         ///< what stood for the {…} of the route, in order
  const std::map<std::string, std::string>& queries;  ///< only names that the route knows
};

class Api;

/// One row of the router's table.
struct ApiRoute {
  std::string_view method;  ///< GET rows serve HEAD, too
  std::string_view
      pattern;     ///< "/v1/jobs/{id}/artifacts/{path...}": {x} is a segment, {x...} all that are left
  bool is_public;  ///< needs no token: tells nothing of any job
  std::vector<std::string_view> queries;
  HttpResponse (Api::*answer)(const ApiCall& call) const;
};

/// The REST interface: a request value in, a response value out. openapi.json describes it. What goes wrong
/// becomes a problem+json; nothing is thrown. Threads may share it.
class Api final : public HttpHandler {
 public:
  /// `jobs` and `log` must outlive it.
  Api(JobService& jobs, AccessPolicy access, Logger& log);

  /// Finds the route of a request; `answer` of the verdict holds it, so that it is found once.
  HeadVerdict check_head(const HttpRequest& head) override;
  EventPage events(const std::string& job_id, const StreamPosition& after, std::size_t most_frames) override;
  void observe(const Exchange& exchange) override { figures_.observe(exchange); }

  static std::span<const ApiRoute> routes();

 private:
  struct Match;
  Match match(const HttpRequest& request) const;
  HttpResponse answer(const Match& found, const HttpRequest& request) const;

  // api_server.cpp: about the server itself
  HttpResponse dashboard(const ApiCall& call) const;
  HttpResponse health(const ApiCall& call) const;
  HttpResponse ready(const ApiCall& call) const;
  HttpResponse metrics(const ApiCall& call) const;
  HttpResponse openapi(const ApiCall& call) const;
  // api_jobs.cpp
  HttpResponse create_job(const ApiCall& call) const;
  HttpResponse list_jobs(const ApiCall& call) const;
  HttpResponse get_job(const ApiCall& call) const;
  HttpResponse cancel_job(const ApiCall& call) const;
  HttpResponse resume_job(const ApiCall& call) const;
  HttpResponse follow_job(const ApiCall& call) const;
  // api_files.cpp
  HttpResponse get_recipe(const ApiCall& call) const;
  HttpResponse get_report(const ApiCall& call) const;
  HttpResponse get_report_tables(const ApiCall& call) const;
  std::string report_of(const ApiCall& call) const;
  HttpResponse list_artifacts(const ApiCall& call) const;
  HttpResponse get_artifact(const ApiCall& call) const;
  HttpResponse get_log(const ApiCall& call) const;

  JobService& jobs_;
  AccessPolicy access_;
  Logger& log_;
  HttpFigures figures_;
};

}  // namespace cce
