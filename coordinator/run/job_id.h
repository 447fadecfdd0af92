#pragma once
#include <string>

namespace cce {

/// 20 characters of a-z and 2-7 from the kernel's random source: 100 bits, safe as a file name and in a URL.
std::string make_job_id();

/// Whether a text has that form.
bool is_job_id(const std::string& text);

}  // namespace cce
