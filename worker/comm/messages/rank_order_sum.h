#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

namespace cce {

/// sum[i] = ((parts[0][i] + parts[1][i]) + parts[2][i]) + …, for i < count; `sum` may be one of the parts.
/// Blocks that stay in the first-level cache; the order of additions of one element does not depend on them.
template <typename T>
void sum_in_rank_order(std::span<const T* const> parts, std::size_t count, T* sum) {
  constexpr std::size_t block_size = 1024;
  std::array<T, block_size> block;
  for (std::size_t first = 0; first < count; first += block_size) {
    const std::size_t length = std::min(block_size, count - first);
    std::copy_n(parts[0] + first, length, block.data());
    for (std::size_t part = 1; part < parts.size(); ++part) {
      const T* values = parts[part] + first;
      for (std::size_t i = 0; i < length; ++i) {
        block[i] += values[i];
      }
    }
    std::copy_n(block.data(), length, sum + first);
  }
}

/// Segment `index` of `values` cut into `parts` near-equal ones, the longer ones first: who adds what.
template <typename T>
std::span<T> rank_segment(std::span<T> values, int parts, int index) {
  const auto count = static_cast<std::size_t>(parts);
  const auto position = static_cast<std::size_t>(index);
  const std::size_t base = values.size() / count;
  const std::size_t longer = values.size() % count;
  return values.subspan(position * base + std::min(position, longer), base + (position < longer ? 1 : 0));
}

}  // namespace cce
