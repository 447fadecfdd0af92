#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/rows/row_cuda.h"

namespace cce {

const RowOps& cuda_row_ops() {
  static constexpr RowOps table = cuda_kernels::row_ops<CudaKernelDevice>();
  return table;
}

}  // namespace cce
