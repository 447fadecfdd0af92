#pragma once
#include <functional>

namespace cce {

/// Seconds since 1970, UTC. Passed along, so that tests can set it.
using Clock = std::function<double()>;

Clock system_clock();

}  // namespace cce
