#pragma once
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "worker/comm/communicator.h"

namespace cce {

/// Every rank's value, in order of rank, on every rank: what sums, maxima and votes over ranks are made of. A
/// collective. Errors: those of the communicator.
template <typename T>
requires std::is_trivially_copyable_v<T> std::vector<T> all_gather_value(Communicator& communicator,
                                                                         const T& value) {
  std::vector<T> values;
  for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(&value, 1)))) {
    std::memcpy(&values.emplace_back(), blob.data(), sizeof(T));
  }
  return values;
}

}  // namespace cce
