#pragma once
#include <cuda_runtime.h>

#include <cstdint>

/// Selections of rows and columns, and the f64 forms of two row operations. Row-major, element (i, j) at
/// a[i * stride + j]. Kernels take a grid of one dimension and cover their elements by strides of the grid.
namespace cce::cuda_kernels {

/// target_ij ← source[row_list_i, col_list_j]; a null list means all in order. rows × cols is the target's
/// shape.
template <typename T>
__global__ void gather_elements(const T* source, std::int64_t source_stride, const std::int32_t* row_list,
                                const std::int32_t* col_list, T* target, std::int64_t rows, std::int64_t cols,
                                std::int64_t target_stride) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       index < rows * cols; index += step) {
    const std::int64_t i = index / cols, j = index % cols;
    const std::int64_t row = row_list == nullptr ? i : row_list[i];
    const std::int64_t col = col_list == nullptr ? j : col_list[j];
    target[i * target_stride + j] = source[row * source_stride + col];
  }
}

/// target[row_list_i, col_list_j] ← source_ij; rows × cols is the source's shape.
template <typename T>
__global__ void scatter_elements(const T* source, std::int64_t source_stride, const std::int32_t* row_list,
                                 const std::int32_t* col_list, T* target, std::int64_t rows,
                                 std::int64_t cols, std::int64_t target_stride) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       index < rows * cols; index += step) {
    const std::int64_t i = index / cols, j = index % cols;
    const std::int64_t row = row_list == nullptr ? i : row_list[i];
    const std::int64_t col = col_list == nullptr ? j : col_list[j];
    target[row * target_stride + col] = source[i * source_stride + j];
  }
}

/// target_ij ← scale_i source_ij.
template <typename T>
__global__ void scale_wide_rows(const T* source, std::int64_t source_stride, const T* scale, T* target,
                                std::int64_t rows, std::int64_t cols, std::int64_t target_stride) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
       index < rows * cols; index += step) {
    const std::int64_t i = index / cols, j = index % cols;
    target[i * target_stride + j] = scale[i] * source[i * source_stride + j];
  }
}

/// out_i ← Σ_j x_ij², a warp a row, its lanes' sums added in a fixed order. Blocks of whole warps.
template <typename T>
__global__ void sum_wide_row_squares(const T* x, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                                     T* out) {
  const unsigned lane = threadIdx.x % 32;
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * (blockDim.x / 32);
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
       row < rows; row += warps) {
    T sum = T(0);
    for (std::int64_t j = lane; j < cols; j += 32) {
      const T value = x[row * stride + j];
      sum += value * value;
    }
    for (int distance = 16; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(0xffffffffu, sum, distance);
    }
    if (lane == 0) {
      out[row] = sum;
    }
  }
}

}  // namespace cce::cuda_kernels
