#pragma once
#include <string_view>

namespace cce {

/// What the pages' scripts know of jobs, as a script of its own: `Words` = {"states": {NAME: {"final",
/// "resumable"}}, "events": {NAME: NAME}, "metrics": [{"name", "caption", "unit", "over_time"}]}, read off the tables
/// of job_state.h and event_names.h. Alive for the whole program.
std::string_view words_script();

}  // namespace cce
