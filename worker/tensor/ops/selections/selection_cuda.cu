#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/selections/selection_cuda.h"

namespace cce {
namespace {

void transpose(Backend& backend, ConstMatrix source, Matrix target) {
  if (source.empty()) {
    return;
  }
  const CublasHandle& blas = static_cast<CudaBackend&>(backend).blas();
  // Column-major, cuBLAS writes targetᵀ = source, whose transpose it reads.
  if (source.dtype == DType::f64) {
    const double one = 1.0, zero = 0.0;
    check_cublas(cublasDgeam_64(blas, CUBLAS_OP_T, CUBLAS_OP_N, target.cols, target.rows, &one,
                                source.as<double>(), source.stride, &zero, target.as<double>(), target.stride,
                                target.as<double>(), target.stride),
                 "transpose");
  } else {
    const float one = 1.0f, zero = 0.0f;
    check_cublas(cublasSgeam_64(blas, CUBLAS_OP_T, CUBLAS_OP_N, target.cols, target.rows, &one,
                                source.as<float>(), source.stride, &zero, target.as<float>(), target.stride,
                                target.as<float>(), target.stride),
                 "transpose");
  }
}

}  // namespace

const SelectionOps& cuda_selection_ops() {
  static constexpr SelectionOps table{.gather = cuda_kernels::gather<CudaKernelDevice>,
                                      .scatter = cuda_kernels::scatter<CudaKernelDevice>,
                                      .transpose = transpose};
  return table;
}

}  // namespace cce
