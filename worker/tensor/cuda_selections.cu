#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_selections.h"

namespace cce {

void CudaBackend::gather(ConstMatrix source, std::span<const std::int32_t> rows,
                         std::span<const std::int32_t> cols, Matrix target) {
  cuda_kernels::gather(CudaKernelDevice(*this, "gather"), source, rows, cols, target);
}

void CudaBackend::scatter(ConstMatrix source, std::span<const std::int32_t> rows,
                          std::span<const std::int32_t> cols, Matrix target) {
  cuda_kernels::scatter(CudaKernelDevice(*this, "scatter"), source, rows, cols, target);
}

void CudaBackend::transpose(ConstMatrix source, Matrix target) {
  check_transpose(source, target);
  if (source.empty()) {
    return;
  }
  // Column-major, cuBLAS writes targetᵀ = source, whose transpose it reads.
  if (source.dtype == DType::f64) {
    const double one = 1.0, zero = 0.0;
    check_cublas(cublasDgeam_64(blas_, CUBLAS_OP_T, CUBLAS_OP_N, target.cols, target.rows, &one,
                                source.as<double>(), source.stride, &zero, target.as<double>(), target.stride,
                                target.as<double>(), target.stride),
                 "transpose");
  } else {
    const float one = 1.0f, zero = 0.0f;
    check_cublas(cublasSgeam_64(blas_, CUBLAS_OP_T, CUBLAS_OP_N, target.cols, target.rows, &one,
                                source.as<float>(), source.stride, &zero, target.as<float>(), target.stride,
                                target.as<float>(), target.stride),
                 "transpose");
  }
}

}  // namespace cce
