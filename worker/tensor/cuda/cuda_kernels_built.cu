#include <cuda_runtime.h>

#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_kernels_built.h"

namespace cce {
namespace {

__global__ void empty_kernel() {}

}  // namespace

void check_kernels_built() {
  cudaFuncAttributes attributes{};
  check_cuda(cudaFuncGetAttributes(&attributes, empty_kernel), "start of the CUDA backend");
}

}  // namespace cce
