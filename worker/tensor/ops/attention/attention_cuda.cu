#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/attention/attention_cuda.h"

namespace cce {

const AttentionOps& cuda_attention_ops() {
  static constexpr AttentionOps table = cuda_kernels::attention_ops<CudaKernelDevice>();
  return table;
}

}  // namespace cce
