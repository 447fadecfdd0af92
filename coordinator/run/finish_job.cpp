#include "coordinator/run/finish_job.h"

#include "common/base/error.h"
#include "coordinator/page/report_html.h"
#include "coordinator/page/report_rows.h"
#include "coordinator/page/report_table.h"
#include "coordinator/system/checksums.h"
#include "coordinator/system/delivery.h"

namespace cce {

namespace fs = std::filesystem;

namespace {

void deliver(FileSystem& files, const fs::path& result, const std::string& output, const DeliveryWish& wish) {
  try {
    if (wish.expected && !wish.force && delivered_identity(files, output) != *wish.expected) {
      throw Error{.code = ErrorCode::job_locked,
                  .where = "output " + output,
                  .found = "another result that came there while this job ran",
                  .expected = "what was there before",
                  .remedy = "Fetch it from there."};
    }
    deliver_result(files, result, output, wish.force);
  } catch (const Error& error) {
    Error late = error;
    late.remedy = "The job is done and its result lies in " + result.string() + ". " + wish.remedy;
    throw Error(late);
  }
}

}  // namespace

void complete_result(FileSystem& files, const JobDir& job, const DeliveryWish& wish) {
  const fs::path result = job.result_path();
  const fs::path report_path = result / "report.json";
  const std::string report = files.read_text(report_path);
  const std::string where = report_path.string();
  files.write_atomic(result / "report.html", report_html(report, where));
  const JobSpec spec = job.read_spec();
  if (runs(spec, Stage::export_result)) {
    files.write_atomic(result / "README.md", model_card(report, where));
  }
  if (files.exists(job.root() / "recipe.yaml")) {
    files.write_atomic(result / "recipe.yaml", files.read_text(job.root() / "recipe.yaml"));
  }
  write_checksums(files, result);
  if (!spec.output.empty()) {
    deliver(files, result, spec.output, wish);
  }
}

void finish_job(FileSystem& files, const JobDir& job, const Surroundings& surroundings,
                const DeliveryWish& wish, bool json, double seconds) {
  complete_result(files, job, wish);
  const fs::path result = job.result_path();
  const fs::path report_path = result / "report.json";
  const std::string report = files.read_text(report_path);
  const std::string where = report_path.string();
  const std::string output = job.read_spec().output;
  if (json) {
    surroundings.out << report;
    return;
  }
  surroundings.out << "\n" << report_table(report, where);
  surroundings.out << "\ntotal time  " << short_duration(seconds) << "\n";
  surroundings.out << "result      " << (output.empty() ? result.string() : output) << "\n";
  surroundings.out << "job         " << job.root().string() << "\n";
}

}  // namespace cce
