#pragma once
#include <string>

#include "coordinator/client/client_follow.h"

namespace cce {

/// One item of a job's stream as a line for people: "14:03:22  encode  layer 3  40 %  1.10 k tokens/s", local
/// time.
std::string stream_line(const StreamedItem& item);

}  // namespace cce
