#pragma once
#include "common/job/job_dir.h"
#include "coordinator/terminal/surroundings.h"

namespace cce {

/// Adds to result/ what is made from report.json (report.html, README.md), recipe.yaml and the list of
/// digests (SHA256SUMS), and delivers it to the job's output. May be repeated. Errors: those of
/// deliver_result; missing_file without a report.
void complete_result(FileSystem& files, const JobDir& job, bool force);

/// After a run: completes result/ with what is made from report.json (report.html, README.md) and
/// recipe.yaml, delivers it to the job's output, and prints the report: the table, or with `json` report.json
/// itself and nothing else on `out`. `seconds`: wall time of the whole command. Errors: those of
/// deliver_result; missing_file without a report.
void finish_job(FileSystem& files, const JobDir& job, const Surroundings& surroundings, bool json, bool force,
                double seconds);

}  // namespace cce
