#include "coordinator/store/job_error_json.h"

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/job/job_event.h"

namespace cce {

std::string error_to_json(const Error& error) {
  return compact_json({{"code", error_name(error.code)},
                       {"where", error.where},
                       {"found", error.found},
                       {"expected", error.expected},
                       {"remedy", error.remedy}});
}

Error error_from_json(const std::string& json, const std::string& where) {
  const Json error = parse_json(json, where);
  const Json event{{"seq", 1}, {"time", 0.0}, {"type", "error"}, {"error", error}};
  return parse_job_event(event.dump(), where).error.value();
}

}  // namespace cce
