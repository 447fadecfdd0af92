#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/blocks/block_cuda.h"

namespace cce {

const BlockOps& cuda_block_ops() {
  static constexpr BlockOps table = cuda_kernels::block_ops<CudaKernelDevice>();
  return table;
}

}  // namespace cce
