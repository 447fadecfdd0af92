#pragma once
#include <string>
#include <vector>

#include "common/base/json_writer.h"
#include "coordinator/service/job_view.h"
#include "coordinator/system/beneath.h"

namespace cce {

/// A job as the REST interface shows it; openapi.json (Job) describes the members. What is not known yet is
/// null; numbers that JSON cannot hold are null, too.
OrderedJson job_json(const JobView& job);

/// job_json as text, one line.
std::string job_text(const JobView& job);

/// {"jobs": [...], "next": ID or null}
std::string job_page_json(const JobPage& page);

/// {"artifacts": [{"path", "bytes", "href"}]}
std::string artifacts_json(const std::string& job_id, const std::vector<FileEntry>& files);

}  // namespace cce
