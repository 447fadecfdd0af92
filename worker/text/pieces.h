#pragma once
#include <functional>
#include <string_view>

namespace cce {

/// Gets a piece of text in any number of parts, each cut between code points; `ends` with the last one, which
/// may be empty. The parts are valid during the call.
using PieceSink = std::function<void(std::string_view part, bool ends)>;

}  // namespace cce
