#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_training.h"

namespace cce {

void CudaBackend::add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) {
  cuda_kernels::add_inner_product(CudaKernelDevice(*this, "add_inner_product"), a, b, sum);
}

void CudaBackend::rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) {
  cuda_kernels::rms_norm_gain_gradient(CudaKernelDevice(*this, "rms_norm_gain_gradient"), d_out, x, epsilon,
                                       d_gain);
}

void CudaBackend::relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                                 Matrix gradient) {
  cuda_kernels::relative_error(CudaKernelDevice(*this, "relative_error"), x, target, scale, losses, gradient);
}

void CudaBackend::adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
                        Matrix copy) {
  cuda_kernels::adamw(CudaKernelDevice(*this, "adamw"), step, gradient, weights, m, v, copy);
}

}  // namespace cce
