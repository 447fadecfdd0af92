#pragma once
#include <cuda_runtime.h>

namespace cce {

/// own[i] ← ((x₀[i] + x₁[i]) + x₂[i]) + … for i < count, x_rank = own and the other ranks' parts one after
/// another, in order of rank, in `others`. A grid of any size in x.
template <typename T>
__global__ void add_parts_kernel(T* own, const T* others, long long count, int rank, int ranks) {
  const long long step = static_cast<long long>(gridDim.x) * blockDim.x;
  for (long long i = static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    T sum = rank == 0 ? own[i] : others[i];
    for (int part = 1; part < ranks; ++part) {
      sum += part == rank ? own[i] : others[(part < rank ? part : part - 1) * count + i];
    }
    own[i] = sum;
  }
}

}  // namespace cce
