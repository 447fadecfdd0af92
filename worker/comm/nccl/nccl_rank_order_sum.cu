#include "worker/comm/nccl/nccl_kernels.cuh"
#include "worker/comm/nccl/nccl_rank_order_sum.h"
#include "worker/tensor/cuda/cuda_launch.h"

namespace cce {
namespace {

template <typename T>
void queue_sum(cudaStream_t stream, void* own, const void* others, std::size_t count, int rank, int ranks) {
  constexpr int threads = 256;
  constexpr unsigned most_blocks = 4096;  // enough to fill any GPU; the kernel's loop does the rest
  const unsigned blocks = blocks_for(static_cast<long long>(count), threads);
  launch("sum over ranks", stream,
         {.blocks = dim3(blocks < most_blocks ? blocks : most_blocks), .threads = dim3(threads)},
         add_parts_kernel<T>, static_cast<T*>(own), static_cast<const T*>(others),
         static_cast<long long>(count), rank, ranks);
}

}  // namespace

void queue_rank_order_sum(cudaStream_t stream, DType dtype, void* own, const void* others, std::size_t count,
                          int rank, int ranks) {
  if (dtype == DType::f64) {
    queue_sum<double>(stream, own, others, count, rank, ranks);
  } else {
    queue_sum<float>(stream, own, others, count, rank, ranks);
  }
}

}  // namespace cce
