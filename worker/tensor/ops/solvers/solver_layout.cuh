#pragma once
#include <cuda_runtime.h>

#include <cstdint>

/// What the solvers do beside cuBLAS and cuSOLVER: triangles, turns and checks. x − x is 0 for finite x
/// alone. Row-major, element (i, j) at a[i * stride + j]. Each kernel takes any grid of one dimension and
/// covers its elements by strides of the grid; the exception says so.
namespace cce::cuda_kernels {

inline __device__ std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
inline __device__ std::int64_t index_step() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

/// a_ij ← 0 for j > i; n × n.
template <typename T>
__global__ void clear_strict_upper(T* a, std::int64_t n, std::int64_t stride) {
  for (std::int64_t index = first_index(); index < n * n; index += index_step()) {
    const std::int64_t i = index / n, j = index % n;
    if (j > i) {
      a[i * stride + j] = T(0);
    }
  }
}

/// a_ij ← a_ji for j > i; n × n.
template <typename T>
__global__ void mirror_lower(T* a, std::int64_t n, std::int64_t stride) {
  for (std::int64_t index = first_index(); index < n * n; index += index_step()) {
    const std::int64_t i = index / n, j = index % n;
    if (j > i) {
      a[i * stride + j] = a[j * stride + i];
    }
  }
}

/// a ← identity; n × n.
template <typename T>
__global__ void set_identity(T* a, std::int64_t n, std::int64_t stride) {
  for (std::int64_t index = first_index(); index < n * n; index += index_step()) {
    const std::int64_t i = index / n, j = index % n;
    a[i * stride + j] = i == j ? T(1) : T(0);
  }
}

/// *first ← the first i whose a_ii is not a finite number above 0, or n. One block of one warp.
template <typename T>
__global__ void find_bad_pivot(const T* a, std::int64_t n, std::int64_t stride, std::int64_t* first) {
  std::int64_t found = n;
  for (std::int64_t i = threadIdx.x; i < n && found == n; i += 32) {
    const T pivot = a[i * stride + i];
    if (!(pivot > T(0) && pivot - pivot == T(0))) {
      found = i;
    }
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    const std::int64_t other = __shfl_xor_sync(0xffffffffu, found, distance);
    found = other < found ? other : found;
  }
  if (threadIdx.x == 0) {
    *first = found;
  }
}

/// *flag ← 1 where an element of a rows × cols is not finite; else *flag stays.
template <typename T>
__global__ void flag_not_finite(const T* a, std::int64_t rows, std::int64_t cols, std::int64_t stride,
                                int* flag) {
  for (std::int64_t index = first_index(); index < rows * cols; index += index_step()) {
    const T value = a[index / cols * stride + index % cols];
    if (!(value - value == T(0))) {
      *flag = 1;
    }
  }
}

/// Turns a, n × n, by a quarter in place: row i becomes column n − 1 − i. Eigenvectors that cuSOLVER leaves
/// as rows in ascending order become columns in descending order. Each index is a cycle of four elements.
template <typename T>
__global__ void turn_rows_to_columns(T* a, std::int64_t n, std::int64_t stride) {
  const std::int64_t across = (n + 1) / 2, down = n / 2, last = n - 1;
  for (std::int64_t index = first_index(); index < down * across; index += index_step()) {
    const std::int64_t i = index / across, j = index % across;
    T& top = a[i * stride + j];
    T& right = a[j * stride + last - i];
    T& bottom = a[(last - i) * stride + last - j];
    T& left = a[(last - j) * stride + i];
    const T moved = top;
    top = left;
    left = bottom;
    bottom = right;
    right = moved;
  }
}

/// Puts values_0 … values_{n−1} in the opposite order.
template <typename T>
__global__ void reverse_values(T* values, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n / 2; i += index_step()) {
    const T moved = values[i];
    values[i] = values[n - 1 - i];
    values[n - 1 - i] = moved;
  }
}

/// r_ij ← columns_ij for j ≥ i, 0 below; n × n from a column-major matrix, element (i, j) at columns[j *
/// height + i].
template <typename T>
__global__ void take_upper(const T* columns, std::int64_t height, T* r, std::int64_t n, std::int64_t stride) {
  for (std::int64_t index = first_index(); index < n * n; index += index_step()) {
    const std::int64_t i = index / n, j = index % n;
    r[i * stride + j] = j >= i ? columns[j * height + i] : T(0);
  }
}

}  // namespace cce::cuda_kernels
