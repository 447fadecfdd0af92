#pragma once
#include <string>

namespace cce {

/// 20 characters of a-z and 2-7 from the kernel's random source: 100 bits, safe as a file name and in a URL.
std::string make_job_id();

}  // namespace cce
