#pragma once
#include "worker/tensor/cuda/kernels/element.cuh"

/// Sums over a block of whole warps along x, in an order that depends on the block's size alone: the same
/// inputs give the same bits.
namespace cce::cuda_kernels {

inline constexpr int warp_threads = 32;
inline constexpr unsigned whole_warp = 0xffffffffu;
/// Bytes of shared memory that a sum over a block needs: one double for each warp of the largest block.
inline constexpr std::size_t reduction_bytes = 32 * sizeof(double);

__device__ inline int lane_index() {
  return static_cast<int>(threadIdx.x) % warp_threads;
}
__device__ inline int warp_index() {
  return static_cast<int>(threadIdx.x) / warp_threads;
}
__device__ inline int warp_count() {
  return static_cast<int>(blockDim.x) / warp_threads;
}

template <typename T>
__device__ inline T warp_sum(T value) {
  for (int distance = warp_threads / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(whole_warp, value, distance);
  }
  return value;
}

__device__ inline float warp_maximum(float value) {
  for (int distance = warp_threads / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(whole_warp, value, distance));
  }
  return value;
}

/// Combines one value of each warp; every thread gets the result. `partial` may be used again at once.
template <typename T, typename Combine>
__device__ inline T combine_warps(T value, T* partial, Combine combine) {
  const int warps = warp_count();
  if (warps == 1) {
    return value;
  }
  if (lane_index() == 0) {
    partial[warp_index()] = value;
  }
  __syncthreads();
  T total = partial[0];
  for (int warp = 1; warp < warps; ++warp) {
    total = combine(total, partial[warp]);
  }
  __syncthreads();
  return total;
}

/// Σ over the block's threads, in every thread. `shared` has reduction_bytes.
template <typename T>
__device__ inline T block_sum(T value, unsigned char* shared) {
  return combine_warps(warp_sum(value), reinterpret_cast<T*>(shared), [](T a, T b) { return a + b; });
}

__device__ inline float block_maximum(float value, unsigned char* shared) {
  return combine_warps(warp_maximum(value), reinterpret_cast<float*>(shared),
                       [](float a, float b) { return fmaxf(a, b); });
}

/// Calls body(col) for the quads of a row of `cols` elements that fall to this thread of the block.
template <typename Body>
__device__ inline void for_each_quad_of_row(std::int64_t cols, Body body) {
  for (std::int64_t col = 4 * static_cast<std::int64_t>(threadIdx.x); col < cols; col += 4 * blockDim.x) {
    body(col);
  }
}

}  // namespace cce::cuda_kernels
