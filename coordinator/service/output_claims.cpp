#include "coordinator/service/output_claims.h"

#include "common/base/error.h"
#include "common/recipe/job_spec.h"
#include "coordinator/system/output_place.h"

namespace cce {

OutputClaims::OutputClaims(JobTable& table) : table_(table) {
  for (const OpenJob& job : table_.open_jobs()) {
    const std::string output = parse_job_spec(table_.spec(job.id), "stored job " + job.id).output;
    if (!output.empty()) {
      outputs_[job.id] = output;
    }
  }
}

bool OutputClaims::is_open(const std::string& id) {
  const JobState state = table_.view(id)->state;
  return !is_final(state) || state == JobState::lost;
}

JobViewPointer OutputClaims::open_with(const std::string& id, const std::string& output,
                                       const std::function<JobViewPointer()>& open) {
  if (output.empty()) {
    return open();
  }
  const std::lock_guard lock(claiming_);
  std::erase_if(outputs_, [&](const auto& claim) { return !is_open(claim.first); });
  for (const auto& [other, taken] : outputs_) {
    if (other != id && (is_inside(output, taken) || is_inside(taken, output))) {
      throw Error{.code = ErrorCode::job_locked,
                  .where = "output",
                  .found = "job " + other + ", which writes to " + taken.string(),
                  .expected = "an output that no other open job has",
                  .remedy = "Choose another output, or wait until that job has ended"};
    }
  }
  JobViewPointer view = open();
  outputs_[id] = output;
  return view;
}

}  // namespace cce
