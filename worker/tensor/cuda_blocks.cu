#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_blocks.h"

namespace cce {

void CudaBackend::embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) {
  cuda_kernels::embed(CudaKernelDevice(*this, "embed"), ids, table, out);
}

void CudaBackend::rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  cuda_kernels::rms_norm(CudaKernelDevice(*this, "rms_norm"), x, gain, epsilon, out);
}

void CudaBackend::rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                    Matrix d_x) {
  cuda_kernels::rms_norm_backward(CudaKernelDevice(*this, "rms_norm_backward"), d_out, x, gain, epsilon, d_x);
}

void CudaBackend::rope(Matrix x, const RopeTable& table, std::int64_t kv_groups, std::int64_t heads_per_group,
                       std::int64_t length, std::int64_t first_position, bool inverse) {
  cuda_kernels::rope(CudaKernelDevice(*this, "rope"), x, table, kv_groups, heads_per_group, length,
                     first_position, inverse);
}

void CudaBackend::swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) {
  cuda_kernels::swiglu(CudaKernelDevice(*this, "swiglu"), gate, up, out);
}

void CudaBackend::swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                                  Matrix d_up) {
  cuda_kernels::swiglu_backward(CudaKernelDevice(*this, "swiglu_backward"), d_out, gate, up, d_gate, d_up);
}

}  // namespace cce
