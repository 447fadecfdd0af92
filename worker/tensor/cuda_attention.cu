#include "worker/tensor/cuda_kernel_device.h"
#include "worker/tensor/kernels_cuda/launch_attention.h"

namespace cce {

void CudaBackend::attention_forward(const AttentionShape& shape, ConstMatrix q, ConstMatrix k, ConstMatrix v,
                                    Matrix out, Matrix log_sum_exp) {
  cuda_kernels::attention_forward(CudaKernelDevice(*this, "attention_forward"), shape, q, k, v, out,
                                  log_sum_exp);
}

void CudaBackend::attention_variance(const AttentionShape& shape, ConstMatrix q, ConstMatrix k,
                                     ConstMatrix log_sum_exp, std::int64_t first_query, Matrix variance) {
  cuda_kernels::attention_variance(CudaKernelDevice(*this, "attention_variance"), shape, q, k, log_sum_exp,
                                   first_query, variance);
}

}  // namespace cce
