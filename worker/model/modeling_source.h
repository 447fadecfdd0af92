#pragma once
#include <string_view>

namespace cce {

/// The text of modeling_cce.py, which goes beside a `custom` checkpoint. Part of the program, so that an
/// installed worker needs no file of the source tree.
std::string_view modeling_source();

}  // namespace cce
