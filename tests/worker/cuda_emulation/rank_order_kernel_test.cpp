// The kernel that adds ranks' parts in order, on emulated blocks: the bits of the host's sum, whichever rank
// adds, also where the grid is smaller than the values.
#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include "tests/worker/cuda_emulation/block_runner.h"
#include "worker/comm/messages/rank_order_sum.h"
#include "worker/comm/nccl/nccl_kernels.cuh"

namespace cce::cuda_emulation {
namespace {

constexpr std::size_t count = 333;

/// Magnitudes from 2⁻²⁰ to 2²⁰: sums that show in which order they were made.
template <typename T>
std::vector<T> part_of(int rank) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto mixed = static_cast<unsigned>(i * 2654435761u + static_cast<unsigned>(rank) * 40503u);
    values[i] = std::ldexp(static_cast<T>(mixed % 1009) - T{504}, static_cast<int>(mixed >> 16) % 41 - 20);
  }
  return values;
}

template <typename T>
void check_sum(int ranks, int rank, unsigned blocks) {
  std::vector<std::vector<T>> parts;
  std::vector<const T*> pointers;
  std::vector<T> others;
  for (int part = 0; part < ranks; ++part) {
    parts.push_back(part_of<T>(part));
    if (part != rank) {
      others.insert(others.end(), parts.back().begin(), parts.back().end());
    }
  }
  for (const auto& part : parts) {
    pointers.push_back(part.data());
  }
  std::vector<T> expected(count), own = parts[static_cast<std::size_t>(rank)];
  sum_in_rank_order<T>(pointers, count, expected.data());
  BlockRunner runner(ThreadOrder::ascending);
  runner.run({blocks, 1, 1}, {64, 1, 1}, 0, [&] {
    add_parts_kernel<T>(own.data(), others.data(), static_cast<long long>(count), rank, ranks);
  });
  EXPECT_EQ(own, expected) << ranks << " ranks, added by rank " << rank << ", " << blocks << " blocks";
}

TEST(RankOrderKernel, adds_in_the_order_of_ranks_whoever_adds) {
  for (const int ranks : {2, 3, 5}) {
    for (int rank = 0; rank < ranks; ++rank) {
      for (const unsigned blocks : {1u, 6u}) {
        check_sum<float>(ranks, rank, blocks);
        check_sum<double>(ranks, rank, blocks);
      }
    }
  }
}

}  // namespace
}  // namespace cce::cuda_emulation
