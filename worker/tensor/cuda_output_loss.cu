#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_output.h"

namespace cce {

void CudaBackend::output_losses(ConstMatrix hidden, ConstMatrix head, std::span<const std::int32_t> labels,
                                Matrix losses) {
  cuda_kernels::output_losses(CudaKernelDevice(*this, "output_losses"), hidden, head, labels, losses);
}

void CudaBackend::output_gradient(ConstMatrix hidden, ConstMatrix head, std::span<std::int32_t> labels,
                                  std::span<const float> uniforms, Matrix losses, Matrix d_hidden) {
  cuda_kernels::output_gradient(CudaKernelDevice(*this, "output_gradient"), hidden, head, labels, uniforms,
                                losses, d_hidden);
}

void CudaBackend::output_divergence(ConstMatrix hidden, ConstMatrix head, ConstMatrix teacher,
                                    ConstMatrix teacher_head, double scale, Matrix divergence,
                                    Matrix d_hidden) {
  cuda_kernels::output_divergence(CudaKernelDevice(*this, "output_divergence"), hidden, head, teacher,
                                  teacher_head, scale, divergence, d_hidden);
}

}  // namespace cce
