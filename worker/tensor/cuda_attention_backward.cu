#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_attention.h"

namespace cce {

void CudaBackend::attention_backward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                                     ConstMatrix out, ConstMatrix log_sum_exp, ConstMatrix d_out, Matrix d_q,
                                     Matrix d_k, Matrix d_v) {
  cuda_kernels::attention_backward(CudaKernelDevice(*this, "attention_backward"), shape, q, k, v, out,
                                   log_sum_exp, d_out, d_q, d_k, d_v);
}

}  // namespace cce
