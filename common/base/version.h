#pragma once
#include <string_view>

namespace cce {

/// Written into reports and model cards.
inline constexpr std::string_view code_version = "0.1.0";

}  // namespace cce
