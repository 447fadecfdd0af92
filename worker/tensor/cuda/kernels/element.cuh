#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <type_traits>

#include "worker/tensor/matrix.h"

/// How kernels read and write elements. Kernels of this folder have no launch in them: the same source is
/// compiled by nvcc for devices and by the host's compiler for the emulation that the tests run.
namespace cce::cuda_kernels {

__device__ inline float to_number(float value) {
  return value;
}
__device__ inline float to_number(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <typename T>
__device__ inline T from_number(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return __float2bfloat16_rn(value);
  }
}

__device__ inline std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}
__device__ inline std::int64_t larger(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}

/// Element `at` of memory of any dtype: f64 exactly, the rest through f32 as on the CPU.
__device__ inline double load_number(const void* data, DType dtype, std::int64_t at) {
  switch (dtype) {
    case DType::f32:
      return static_cast<double>(static_cast<const float*>(data)[at]);
    case DType::bf16:
      return static_cast<double>(__bfloat162float(static_cast<const __nv_bfloat16*>(data)[at]));
    case DType::f16:
      return static_cast<double>(__half2float(static_cast<const __half*>(data)[at]));
    case DType::f64:
      return static_cast<const double*>(data)[at];
  }
  return 0.0;
}

__device__ inline void store_number(void* data, DType dtype, std::int64_t at, double value) {
  switch (dtype) {
    case DType::f32:
      static_cast<float*>(data)[at] = static_cast<float>(value);
      return;
    case DType::bf16:
      static_cast<__nv_bfloat16*>(data)[at] = __float2bfloat16_rn(static_cast<float>(value));
      return;
    case DType::f16:
      static_cast<__half*>(data)[at] = __float2half_rn(static_cast<float>(value));
      return;
    case DType::f64:
      static_cast<double*>(data)[at] = value;
      return;
  }
}

/// Four neighbours in a row, or fewer at its end: what one thread moves at a time.
struct Quad {
  float value[4];
};

__device__ inline bool is_aligned(const void* pointer, std::uintptr_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

__device__ inline Quad load_quad(const float* at, std::int64_t count) {
  if (count >= 4 && is_aligned(at, sizeof(float4))) {
    const float4 all = *reinterpret_cast<const float4*>(at);
    return {{all.x, all.y, all.z, all.w}};
  }
  Quad quad{};
  for (int i = 0; i < 4 && i < count; ++i) {
    quad.value[i] = at[i];
  }
  return quad;
}

__device__ inline Quad load_quad(const __nv_bfloat16* at, std::int64_t count) {
  if (count >= 4 && is_aligned(at, sizeof(uint2))) {  // a bf16 is the upper half of an f32
    const uint2 all = *reinterpret_cast<const uint2*>(at);
    return {{__uint_as_float(all.x << 16), __uint_as_float(all.x & 0xffff0000u), __uint_as_float(all.y << 16),
             __uint_as_float(all.y & 0xffff0000u)}};
  }
  Quad quad{};
  for (int i = 0; i < 4 && i < count; ++i) {
    quad.value[i] = __bfloat162float(at[i]);
  }
  return quad;
}

/// Elements (row, col) to (row, col + 3) of an f32 or bf16 matrix; 0 past the end of the row.
__device__ inline Quad load_quad(const ConstMatrix& matrix, std::int64_t row, std::int64_t col) {
  const std::int64_t at = row * matrix.stride + col, count = matrix.cols - col;
  return matrix.dtype == DType::f32 ? load_quad(static_cast<const float*>(matrix.data) + at, count)
                                    : load_quad(static_cast<const __nv_bfloat16*>(matrix.data) + at, count);
}

__device__ inline Quad load_quad(const Matrix& matrix, std::int64_t row, std::int64_t col) {
  const ConstMatrix read{matrix.data, matrix.dtype, matrix.rows, matrix.cols, matrix.stride};
  return load_quad(read, row, col);
}

__device__ inline void store_quad(const Quad& quad, float* at, std::int64_t count) {
  if (count >= 4 && is_aligned(at, sizeof(float4))) {
    *reinterpret_cast<float4*>(at) = make_float4(quad.value[0], quad.value[1], quad.value[2], quad.value[3]);
    return;
  }
  for (int i = 0; i < 4 && i < count; ++i) {
    at[i] = quad.value[i];
  }
}

__device__ inline void store_quad(const Quad& quad, __nv_bfloat16* at, std::int64_t count) {
  unsigned bits[4];
  for (int i = 0; i < 4; ++i) {
    bits[i] = __bfloat16_as_ushort(__float2bfloat16_rn(quad.value[i]));
  }
  if (count >= 4 && is_aligned(at, sizeof(uint2))) {
    *reinterpret_cast<uint2*>(at) = make_uint2(bits[0] | bits[1] << 16, bits[2] | bits[3] << 16);
    return;
  }
  for (int i = 0; i < 4 && i < count; ++i) {
    at[i] = __ushort_as_bfloat16(static_cast<unsigned short>(bits[i]));
  }
}

__device__ inline void store_quad(const Quad& quad, const Matrix& matrix, std::int64_t row,
                                  std::int64_t col) {
  const std::int64_t at = row * matrix.stride + col, count = matrix.cols - col;
  if (matrix.dtype == DType::f32) {
    store_quad(quad, static_cast<float*>(matrix.data) + at, count);
  } else {
    store_quad(quad, static_cast<__nv_bfloat16*>(matrix.data) + at, count);
  }
}

/// Calls body(row, col) for every quad of a matrix that falls to this thread: columns along x, rows along y.
template <typename Body>
__device__ inline void for_each_quad(std::int64_t rows, std::int64_t cols, Body body) {
  const std::int64_t col = 4 * (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  if (col < cols) {
    for (std::int64_t row = first; row < rows; row += step) {
      body(row, col);
    }
  }
}

/// The block's dynamic shared memory, as many bytes as its launch asked for.
__device__ inline unsigned char* shared_memory() {
  extern __shared__ __align__(128) unsigned char shared_bytes[];
  return shared_bytes;
}

}  // namespace cce::cuda_kernels
