#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/training/training_cuda.h"

namespace cce {

const TrainingOps& cuda_training_ops() {
  static constexpr TrainingOps table = cuda_kernels::training_ops<CudaKernelDevice>();
  return table;
}

}  // namespace cce
