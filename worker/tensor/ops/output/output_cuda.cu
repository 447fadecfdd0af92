#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/output/output_cuda.h"

namespace cce {

const OutputOps& cuda_output_ops() {
  static constexpr OutputOps table = cuda_kernels::output_ops<CudaKernelDevice>();
  return table;
}

}  // namespace cce
