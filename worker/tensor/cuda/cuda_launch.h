#pragma once
#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <tuple>
#include <utility>

#include "worker/tensor/cuda/cuda_error.h"

/// Launches of kernels, for .cu files alone. Kernels themselves (ops/*/*.cuh) hold no launch syntax.
namespace cce {

struct CudaLaunch {
  dim3 blocks;
  dim3 threads;
  std::size_t shared_bytes = 0;  ///< dynamic shared memory of a block
};

/// Queues kernel(arguments...) on `stream`; a launch without blocks does nothing. Arguments are converted to
/// the kernel's own parameter types. Errors: as check_cuda, with `operation` in `where`.
template <typename... Parameters, typename... Arguments>
void launch(const char* operation, cudaStream_t stream, const CudaLaunch& shape,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "a kernel takes all of its parameters");
  if (shape.blocks.x == 0 || shape.blocks.y == 0 || shape.blocks.z == 0) {
    return;
  }
  constexpr std::size_t shared_bytes_without_asking = 48 * 1024;
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shape.shared_bytes > shared_bytes_without_asking) {
    check_cuda(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(shape.shared_bytes)),
               operation);
  }
  std::tuple<Parameters...> values(static_cast<Parameters>(std::forward<Arguments>(arguments))...);
  std::array<void*, sizeof...(Parameters) + 1> pointers{};
  std::apply(
      [&pointers](auto&... value) {
        std::size_t next = 0;
        ((pointers[next++] = &value), ...);
      },
      values);
  check_cuda(
      cudaLaunchKernel(function, shape.blocks, shape.threads, pointers.data(), shape.shared_bytes, stream),
      operation);
}

/// Blocks of `threads` threads that cover `count` items, at most 2³¹ − 1.
inline unsigned blocks_for(long long count, long long threads) {
  const long long blocks = (count + threads - 1) / threads;
  constexpr long long most = 2147483647;
  return static_cast<unsigned>(blocks < most ? blocks : most);
}

/// For kernels that cover `count` elements by strides of a grid of one dimension: enough blocks to fill any
/// GPU.
inline CudaLaunch covering(long long count) {
  constexpr unsigned threads = 256;
  constexpr unsigned enough_blocks = 8192;
  const unsigned blocks = blocks_for(count, threads);
  return {.blocks = dim3(blocks < enough_blocks ? blocks : enough_blocks), .threads = dim3(threads)};
}

}  // namespace cce
