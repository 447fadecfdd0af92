#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_rows.h"

namespace cce {

void CudaBackend::convert(ConstMatrix source, Matrix target) {
  cuda_kernels::convert(CudaKernelDevice(*this, "convert"), source, target);
}

void CudaBackend::add(ConstMatrix source, Matrix target, double alpha) {
  cuda_kernels::add(CudaKernelDevice(*this, "add"), source, target, alpha);
}

void CudaBackend::add_bias(ConstMatrix bias, Matrix x) {
  cuda_kernels::add_bias(CudaKernelDevice(*this, "add_bias"), bias, x);
}

void CudaBackend::scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) {
  cuda_kernels::scale_rows(CudaKernelDevice(*this, "scale_rows"), source, scale, target);
}

void CudaBackend::row_squared_norms(ConstMatrix x, Matrix out) {
  cuda_kernels::row_squared_norms(CudaKernelDevice(*this, "row_squared_norms"), x, out);
}

void CudaBackend::column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) {
  cuda_kernels::column_sums(CudaKernelDevice(*this, "column_sums"), x, weight, out);
}

}  // namespace cce
