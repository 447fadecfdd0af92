#pragma once
#include <cuda_runtime.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "worker/tensor/backend.h"
#include "worker/tensor/cuda/kernels/reduce.cuh"

/// How the operations of a device of blocks and threads are made of kernels. ops/*/*_cuda.h hold the
/// host's half of every operation once, for whatever `Device` runs kernels: the CUDA backend's, or the tests'
/// emulation. A Device is made of a backend and an operation's name, and has
///   Backend& backend()                        memory, copies and products
///   void launch(KernelShape, kernel, args...) queues a kernel
///   std::size_t shared_limit_bytes()          dynamic shared memory that a block may have
///   std::int64_t logits_limit()               elements of logits in memory at once
namespace cce::cuda_kernels {

struct KernelShape {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;
};

inline constexpr std::int64_t largest_y_or_z = 65535;  ///< blocks along y or z
inline constexpr int block_threads = 256;

inline std::int64_t divide_up(std::int64_t count, std::int64_t part) {
  return (count + part - 1) / part;
}

inline dim3 extent(std::int64_t x, std::int64_t y = 1, std::int64_t z = 1) {
  return dim3(static_cast<unsigned>(x), static_cast<unsigned>(y), static_cast<unsigned>(z));
}

/// `items` along x and rows along y, blocks as wide as a row needs.
inline KernelShape elements_shape(std::int64_t rows, std::int64_t items) {
  const auto width = static_cast<std::int64_t>(
      std::bit_ceil(static_cast<std::uint64_t>(std::clamp<std::int64_t>(items, 1, block_threads))));
  const std::int64_t height = block_threads / width;
  return {extent(divide_up(items, width), std::min(divide_up(rows, height), largest_y_or_z)),
          extent(width, height), 0};
}

/// For kernels that walk with for_each_quad.
inline KernelShape quads_shape(std::int64_t rows, std::int64_t cols) {
  return elements_shape(rows, divide_up(cols, 4));
}

/// Threads of a block that reduces a row of `cols` elements: whole warps.
inline std::int64_t row_threads(std::int64_t cols) {
  const std::int64_t quads = std::clamp<std::int64_t>(divide_up(cols, 4), warp_threads, block_threads);
  return divide_up(quads, warp_threads) * warp_threads;
}

/// A block per row.
inline KernelShape rows_shape(std::int64_t rows, std::int64_t cols) {
  return {extent(rows), extent(row_threads(cols)), reduction_bytes};
}

/// A thread per item.
inline KernelShape items_shape(std::int64_t items) {
  return {extent(divide_up(items, block_threads)), extent(block_threads), 0};
}

/// Calls body with a null pointer of the type that kernels know a dtype by: float or __nv_bfloat16.
template <typename Body>
void with_activation_type(DType dtype, Body body) {
  if (dtype == DType::f32) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<__nv_bfloat16*>(nullptr));
  }
}

/// Memory of `count` elements of T that lives until the operation's end.
template <typename T>
class Scratch {
 public:
  Scratch(Backend& backend, std::int64_t count)
      : buffer_(backend.allocate(static_cast<std::size_t>(count) * sizeof(T))) {}
  T* data() const { return static_cast<T*>(buffer_.data()); }

 private:
  Buffer buffer_;
};

/// Copies between host and device of four-byte numbers.
inline void copy_to_device(Backend& backend, const void* host, void* device, std::int64_t count) {
  backend.upload({host, DType::f32, 1, count, count}, {device, DType::f32, 1, count, count});
}
inline void copy_to_host(Backend& backend, const void* device, void* host, std::int64_t count) {
  backend.download({device, DType::f32, 1, count, count}, {host, DType::f32, 1, count, count});
}

}  // namespace cce::cuda_kernels
