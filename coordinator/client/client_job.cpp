#include "coordinator/client/client_job.h"

#include <algorithm>

#include "common/base/error_json.h"
#include "common/base/number_format.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/text_table.h"
#include "coordinator/store/job_state.h"

namespace cce {
namespace {

std::string text_at(const Json& document, std::initializer_list<const char*> path) {
  const Json& value = member_at(document, path);
  return value.is_string() ? printable(value.get<std::string>()) : "";
}

double number_at(const Json& document, std::initializer_list<const char*> path, double otherwise = 0.0) {
  const Json& value = member_at(document, path);
  return value.is_number() ? value.get<double>() : otherwise;
}

std::int64_t integer_at(const Json& document, std::initializer_list<const char*> path,
                        std::int64_t otherwise = 0) {
  const Json& value = member_at(document, path);
  return value.is_number() ? static_cast<std::int64_t>(value.get<double>()) : otherwise;
}

std::vector<std::string> texts_at(const Json& document, const char* key) {
  std::vector<std::string> texts;
  const Json& list = member_at(document, {key});
  if (list.is_array()) {
    for (const Json& item : list) {
      if (item.is_string()) {
        texts.push_back(printable(item.get<std::string>()));
      }
    }
  }
  return texts;
}

void read_ranks(const Json& document, RemoteJob& job) {
  const Json& ranks = member_at(document, {"ranks"});
  if (!ranks.is_array()) {
    return;
  }
  job.ranks = static_cast<std::int64_t>(ranks.size());
  for (const Json& rank : ranks) {
    job.peak_bytes = std::max(job.peak_bytes, integer_at(rank, {"peak_bytes"}));
  }
}

std::string percent(const RemoteJob& job) {
  if (job.total <= 0) {
    return "";
  }
  return format_fixed(100.0 * static_cast<double>(job.done) / static_cast<double>(job.total), 0) + " %";
}

/// "[4/6] encode"
std::string stage_text(const RemoteJob& job) {
  const auto found = std::find(job.stages.begin(), job.stages.end(), job.stage);
  if (found == job.stages.end()) {
    return job.stage;
  }
  std::string text = "[";
  text.append(std::to_string(found - job.stages.begin() + 1)).append("/");
  return text.append(std::to_string(job.stages.size())).append("] ").append(job.stage);
}

std::string age(double time, double now) {
  return time > 0.0 ? short_duration(std::max(0.0, now - time)) : "";
}

}  // namespace

bool is_final_state(const std::string& state) {
  const std::optional<JobState> known = parse_state(state);
  return known && is_final(*known);
}

std::optional<Error> parse_remote_error(const Json& document, ErrorCode otherwise) {
  std::optional<Error> error = read_foreign_error(document, otherwise);
  if (error) {
    for (std::string* part : {&error->where, &error->found, &error->expected, &error->remedy}) {
      *part = printable(std::move(*part));
    }
    if (error->remedy.empty() && error->where.empty()) {  // a problem of HTTP itself: a sentence, no parts
      error->remedy = text_at(document, {"detail"});
    }
  }
  return error;
}

RemoteJob parse_remote_job(const Json& document, const std::string& where) {
  RemoteJob job;
  job.id = text_at(document, {"id"});
  job.state = text_at(document, {"state"});
  if (job.id.empty() || job.state.empty()) {
    throw Error{.code = ErrorCode::malformed_file,
                .where = where,
                .found = "an answer without id and state",
                .expected = "a job",
                .remedy = "Check that this is a cce server."};
  }
  job.model = text_at(document, {"model"});
  job.stage = text_at(document, {"stage"});
  job.scheduler_id = text_at(document, {"scheduler_id"});
  job.waiting_reason = text_at(document, {"waiting_reason"});
  job.attempt = integer_at(document, {"attempt"});
  job.layer = integer_at(document, {"progress", "layer"}, integer_at(document, {"layer"}, -1));
  job.done = integer_at(document, {"progress", "done"});
  job.total = integer_at(document, {"progress", "total"});
  job.tokens_per_second = number_at(document, {"tokens_per_second"});
  if (member_at(document, {"eta_seconds"}).is_number()) {
    job.eta_seconds = number_at(document, {"eta_seconds"});
  }
  read_ranks(document, job);
  job.created = number_at(document, {"times", "created"});
  job.ended = number_at(document, {"times", "ended"});
  job.stages = texts_at(document, "stages");
  job.warnings = texts_at(document, "warnings");
  job.error = parse_remote_error(member_at(document, {"error"}), ErrorCode::worker_died);
  job.document = document;
  return job;
}

std::string jobs_table(const std::vector<RemoteJob>& jobs, double now) {
  std::vector<std::vector<std::string>> rows{{"id", "state", "model", "stage", "progress", "left", "age"}};
  for (const RemoteJob& job : jobs) {
    const bool final_state = is_final_state(job.state);
    rows.push_back(
        {job.id, job.state, job.model, final_state ? "" : stage_text(job), final_state ? "" : percent(job),
         job.eta_seconds && !final_state ? short_duration(*job.eta_seconds) : "", age(job.created, now)});
  }
  return text_table(rows);
}

std::string job_details(const RemoteJob& job, double now) {
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) {
      text.append(name).append(std::string(14 - name.size(), ' ')).append(value).append("\n");
    }
  };
  line("job", job.id);
  line("state", job.waiting_reason.empty() ? job.state : job.state + " (" + job.waiting_reason + ")");
  line("model", job.model);
  line("attempt", job.attempt > 0 ? std::to_string(job.attempt) : "");
  line("scheduler id", job.scheduler_id);
  std::string stage = stage_text(job);
  if (!stage.empty() && job.layer >= 0) {
    stage += ", layer " + std::to_string(job.layer);
  }
  const std::string share = percent(job);
  line("stage", share.empty() ? stage : stage + ", " + share);
  line("throughput", job.tokens_per_second > 0.0 ? short_count(job.tokens_per_second) + " tokens/s" : "");
  line("left", job.eta_seconds ? "about " + short_duration(*job.eta_seconds) + " of this stage" : "");
  line("ranks", job.ranks > 0 ? std::to_string(job.ranks) : "");
  line("peak memory", job.peak_bytes > 0 ? format_bytes(job.peak_bytes) + " (largest rank)" : "");
  line("created", job.created > 0.0 ? age(job.created, now) + " ago" : "");
  line("took", job.ended > job.created && job.created > 0.0 ? short_duration(job.ended - job.created) : "");
  for (const std::string& warning : job.warnings) {
    line("warning", warning);
  }
  line("error", job.error ? describe(*job.error) : "");
  return text;
}

}  // namespace cce
