#pragma once
#include <optional>
#include <string>

#include "common/job/job_dir.h"
#include "coordinator/terminal/surroundings.h"

namespace cce {

/// How a finished result gets to the job's output.
struct DeliveryWish {
  bool force = false;                        ///< replace whatever is there
  std::optional<std::string> expected = {};  ///< delivered_identity of what may be replaced; none: any result
  std::string remedy = {};  ///< what to do about a finished result that could not be delivered
};

/// Adds to result/ what is made from report.json (report.html, README.md), recipe.yaml and the list of
/// digests (SHA256SUMS), and delivers it to the job's output. May be repeated. Errors: missing_file without a
/// report; those of deliver_result, job_locked where another result came to the output meanwhile: these two
/// say where the finished result lies, and `remedy`.
void complete_result(FileSystem& files, const JobDir& job, const DeliveryWish& wish);

/// After a run: completes result/ with what is made from report.json (report.html, README.md) and
/// recipe.yaml, delivers it to the job's output, and prints the report: the table, or with `json` report.json
/// itself and nothing else on `out`. `seconds`: wall time of the whole command. Errors: those of
/// complete_result.
void finish_job(FileSystem& files, const JobDir& job, const Surroundings& surroundings,
                const DeliveryWish& wish, bool json, double seconds);

}  // namespace cce
