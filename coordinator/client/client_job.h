#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/json_reader.h"

namespace cce {

/// A job as a server describes it. What the answer lacks is empty: a newer server may say more, an older one
/// less.
struct RemoteJob {
  std::string id;
  std::string state;
  std::string model;
  std::string stage;
  std::string scheduler_id;
  std::string waiting_reason;
  std::int64_t attempt = 0;
  std::int64_t layer = -1;
  std::int64_t done = 0, total = 0;
  double tokens_per_second = 0.0;
  std::optional<double> eta_seconds;
  std::int64_t peak_bytes = 0;  ///< of the largest rank
  std::int64_t ranks = 0;
  double created = 0.0;  ///< seconds since 1970
  double ended = 0.0;
  std::vector<std::string> stages;  ///< in the order in which they run
  std::vector<std::string> warnings;
  std::optional<Error> error;
  Json document;  ///< all of it, as it came
};

/// Errors: malformed_file without an id or a state; `where` names the answer.
RemoteJob parse_remote_job(const Json& document, const std::string& where);

/// An error object of a job, an event or a problem: {code, where, found, expected, remedy, …}. A code of a
/// newer server becomes `otherwise`, its name going into `found`. Nothing for null.
std::optional<Error> parse_remote_error(const Json& document, ErrorCode otherwise);

/// No attempt is under way, so that nothing more will come without a resume.
bool is_final_state(const std::string& state);

/// The table of `cce jobs`. `now`: seconds since 1970, for ages.
std::string jobs_table(const std::vector<RemoteJob>& jobs, double now);

/// What `cce status` shows of one job.
std::string job_details(const RemoteJob& job, double now);

}  // namespace cce
