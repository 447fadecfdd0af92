#pragma once
/// The part of CUDA's language that the kernels of worker/tensor/ops/*/*.cuh use, for the host's compiler:
/// see block_runner.h. This folder stands before the toolkit's headers for the emulation's targets alone.
#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/worker/cuda_emulation/block_runner.h"

#define __global__
#define __device__
#define __host__
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))

#define threadIdx (::cce::cuda_emulation::BlockRunner::place().thread)
#define blockIdx (::cce::cuda_emulation::BlockRunner::place().block)
#define blockDim (::cce::cuda_emulation::BlockRunner::place().threads)
#define gridDim (::cce::cuda_emulation::BlockRunner::place().blocks)

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_count = 1, unsigned y_count = 1, unsigned z_count = 1)
      : x(x_count), y(y_count), z(z_count) {}
};

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}

inline float __uint_as_float(unsigned bits) {
  return __builtin_bit_cast(float, bits);
}

inline void __syncthreads() {
  cce::cuda_emulation::BlockRunner::wait_for_block();
}

/// mask must name the whole warp, as it does everywhere in the kernels.
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int distance) {
  static_assert(sizeof(T) <= sizeof(std::uint64_t));
  if (mask != 0xffffffffu) {
    cce::cuda_emulation::BlockRunner::fail("an exchange with a part of a warp");
  }
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  const int other = cce::cuda_emulation::BlockRunner::lane() ^ distance;
  bits = cce::cuda_emulation::BlockRunner::exchange(bits)[other];
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
