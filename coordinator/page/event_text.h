#pragma once
#include <string>
#include <vector>

#include "common/job/job_event.h"

namespace cce {

/// What people read of an event's progress, in parts and in this order, those without data left out: "layer 17",
/// "57 %", "11.2 k tokens/s", "about 12.1 s left", "peak 1.9 GiB". `bar`: text behind the share.
std::vector<std::string> progress_parts(const JobEvent& event, const std::string& bar = "");

/// The metrics that progress_parts does not show, each with its name and in its unit: "learning_rate 0.0002".
std::vector<std::string> other_metrics(const JobEvent& event);

/// done / total, or nothing where the event has no total.
std::optional<double> share_of(const JobEvent& event);

}  // namespace cce
