#pragma once
#include <string_view>

namespace cce {

/// The files of coordinator/dashboard/ as they were at build time. Alive for the whole program.
std::string_view style_sheet();
std::string_view charts_script();
std::string_view report_script();

}  // namespace cce
