#pragma once
#include <string>

namespace cce {

/// report.json as one self-contained page: tables, and charts drawn by its own script from the embedded
/// report. It loads nothing, follows the reader's light or dark scheme and reads well at a width of 400
/// pixels. Errors: malformed_file.
std::string report_html(const std::string& report_json, const std::string& where);

}  // namespace cce
