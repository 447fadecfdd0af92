#include "common/base/clock.h"

#include <chrono>

namespace cce {

Clock system_clock() {
  return [] {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since_epoch).count();
  };
}

}  // namespace cce
