#include "tests/worker/cuda_emulation/block_runner.h"

#include <cuda_runtime.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

namespace cce::cuda_emulation {
namespace {

std::string fault_of(const std::function<void()>& kernel, unsigned threads = 64) {
  BlockRunner runner(ThreadOrder::ascending);
  try {
    runner.run({}, {threads, 1, 1}, 256, kernel);
  } catch (const KernelFault& fault) {
    return fault.what;
  }
  return "none";
}

TEST(BlockRunner, every_thread_of_every_block_runs_once) {
  BlockRunner runner(ThreadOrder::ascending);
  std::vector<int> visits(2 * 3 * 4 * 5 * 3 * 2, 0);
  runner.run({2, 3, 4}, {5, 3, 2}, 0, [&] {
    const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    ++visits[block * 30 + thread];
  });
  EXPECT_THAT(visits, testing::Each(1));
}

TEST(BlockRunner, barriers_order_what_threads_write) {
  for (const ThreadOrder order : {ThreadOrder::ascending, ThreadOrder::descending}) {
    BlockRunner runner(order);
    std::vector<float> reversed(100);
    runner.run({}, {100, 1, 1}, 400, [&] {
      auto* shared = reinterpret_cast<float*>(shared_memory_begin());
      shared[threadIdx.x] = static_cast<float>(threadIdx.x);
      __syncthreads();
      reversed[threadIdx.x] = shared[99 - threadIdx.x];
    });
    for (std::size_t i = 0; i < 100; ++i) {
      EXPECT_EQ(reversed[i], static_cast<float>(99 - i));
    }
  }
}

TEST(BlockRunner, a_missing_barrier_shows) {
  int wrong = 0;
  for (const ThreadOrder order : {ThreadOrder::ascending, ThreadOrder::descending}) {
    BlockRunner runner(order);
    runner.run({}, {64, 1, 1}, 256, [&] {
      auto* shared = reinterpret_cast<float*>(shared_memory_begin());
      shared[threadIdx.x] = 1.0f;
      wrong += std::isnan(shared[63 - threadIdx.x]);
    });
  }
  EXPECT_GT(wrong, 0);
}

TEST(BlockRunner, exchanges_stay_in_their_warp) {
  BlockRunner runner(ThreadOrder::descending);
  std::vector<double> sums(96);
  runner.run({}, {96, 1, 1}, 0, [&] {
    double value = threadIdx.x;
    for (int distance = 16; distance > 0; distance /= 2) {
      value += __shfl_xor_sync(0xffffffffu, value, distance);
    }
    sums[threadIdx.x] = value;
  });
  for (std::size_t i = 0; i < 96; ++i) {
    EXPECT_EQ(sums[i], 496.0 + 1024.0 * static_cast<double>(i / 32));
  }
}

TEST(BlockRunner, faults_are_found) {
  EXPECT_EQ(fault_of([] {}), "none");
  EXPECT_EQ(fault_of([] {
              if (threadIdx.x < 40) {
                __syncthreads();
              }
            }),
            "a barrier that not all threads reach");
  EXPECT_EQ(fault_of([] {
              if (threadIdx.x % 2 == 0) {
                __shfl_xor_sync(0xffffffffu, 1.0f, 2);
              }
            }),
            "a barrier that not all threads reach");
  EXPECT_EQ(fault_of([] { __shfl_xor_sync(0xffu, 1.0f, 2); }), "an exchange with a part of a warp");
  EXPECT_EQ(fault_of([] { shared_memory_begin()[256] = 0; }), "a write past the block's shared memory");
  EXPECT_EQ(fault_of([] {}, 1025), "a block of no or of more than 1024 threads");
}

}  // namespace
}  // namespace cce::cuda_emulation
