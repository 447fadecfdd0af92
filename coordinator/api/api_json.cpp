#include "coordinator/api/api_json.h"

#include <cmath>

#include "common/base/error_json.h"
#include "coordinator/http/http_client_url.h"

namespace cce {
namespace {

OrderedJson finite(double value) {
  return std::isfinite(value) ? OrderedJson(value) : OrderedJson(nullptr);
}

OrderedJson text_or_null(const std::string& text) {
  return text.empty() ? OrderedJson(nullptr) : OrderedJson(text);
}

/// Times are 0 where they have not come.
OrderedJson time_or_null(double time) {
  return time > 0.0 ? finite(time) : OrderedJson(nullptr);
}

OrderedJson ranks_json(const std::vector<RankView>& ranks) {
  OrderedJson list = OrderedJson::array();
  for (const RankView& rank : ranks) {
    list.push_back({{"host", rank.host}, {"device", rank.device}, {"peak_bytes", rank.peak_bytes}});
  }
  return list;
}

OrderedJson stages_json(const std::vector<StageView>& stages) {
  OrderedJson list = OrderedJson::array();
  for (const StageView& stage : stages) {
    list.push_back({{"stage", stage.stage},
                    {"seconds", finite(stage.seconds)},
                    {"tokens", finite(stage.tokens)},
                    {"peak_bytes", stage.peak_bytes}});
  }
  return list;
}

OrderedJson links_json(const std::string& id) {
  const std::string self = "/v1/jobs/" + percent_encoded(id, true);
  return {{"self", self},
          {"resume", self + "/resume"},
          {"events", self + "/events"},
          {"recipe", self + "/recipe"},
          {"report", self + "/report"},
          {"artifacts", self + "/artifacts"},
          {"logs", self + "/logs"}};
}

/// Text of a job may hold any bytes (a path, a worker's last words): what is not UTF-8 is replaced.
std::string dump(const OrderedJson& document) {
  return document.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

}  // namespace

OrderedJson job_json(const JobView& job) {
  OrderedJson document;
  document["id"] = job.id;
  document["state"] = std::string(state_name(job.state));
  document["attempt"] = job.attempt;
  document["scheduler_id"] = text_or_null(job.scheduler_id);
  document["waiting_reason"] = text_or_null(job.waiting_reason);
  document["model"] = job.model;
  document["stages"] = job.stages;
  document["stage"] = text_or_null(job.stage);
  document["progress"] = {{"done", job.done},
                          {"total", job.total},
                          {"layer", job.layer < 0 ? OrderedJson(nullptr) : OrderedJson(job.layer)}};
  document["tokens_per_second"] = finite(job.tokens_per_second);
  document["eta_seconds"] = job.eta_seconds ? finite(*job.eta_seconds) : OrderedJson(nullptr);
  document["ranks"] = ranks_json(job.ranks);
  document["finished_stages"] = stages_json(job.finished_stages);
  document["metrics"] = OrderedJson::object();
  for (const auto& [name, value] : job.metrics) {
    document["metrics"][name] = finite(value);
  }
  document["warnings"] = job.warnings;
  document["error"] = job.error ? error_json(*job.error) : OrderedJson(nullptr);
  document["times"] = {{"created", time_or_null(job.times.created)},
                       {"submitted", time_or_null(job.times.submitted)},
                       {"started", time_or_null(job.times.started)},
                       {"ended", time_or_null(job.times.ended)}};
  document["position"] = to_text(job.position);
  document["links"] = links_json(job.id);
  return document;
}

std::string job_text(const JobView& job) {
  return dump(job_json(job));
}

std::string job_page_json(const JobPage& page) {
  OrderedJson document;
  document["jobs"] = OrderedJson::array();
  for (const JobViewPointer& job : page.jobs) {
    document["jobs"].push_back(job_json(*job));
  }
  document["next"] = text_or_null(page.next);
  return dump(document);
}

std::string artifacts_json(const std::string& job_id, const std::vector<FileEntry>& files) {
  const std::string base = "/v1/jobs/" + percent_encoded(job_id, true) + "/artifacts/";
  OrderedJson document;
  document["artifacts"] = OrderedJson::array();
  for (const FileEntry& file : files) {
    document["artifacts"].push_back(
        {{"path", file.path}, {"bytes", file.bytes}, {"href", base + percent_encoded(file.path, true)}});
  }
  return dump(document);
}

}  // namespace cce
