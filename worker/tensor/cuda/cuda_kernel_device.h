#pragma once
#include <cuda_runtime.h>

#include <utility>

#include "common/cost/limits.h"
#include "worker/tensor/cuda/cuda_backend.h"
#include "worker/tensor/cuda/cuda_launch.h"
#include "worker/tensor/cuda/kernels/launch_shape.h"

namespace cce {

/// The Device of cuda/kernels/launch_shape.h on the CUDA backend's stream, for one operation.
class CudaKernelDevice {
 public:
  CudaKernelDevice(Backend& backend, const char* operation)
      : backend_(static_cast<CudaBackend&>(backend)), operation_(operation) {}

  Backend& backend() const { return backend_; }
  /// What a block may ask for of this device.
  std::size_t shared_limit_bytes() const {
    int bytes = 0;
    check_cuda(
        cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, backend_.device_index()),
        operation_);
    return static_cast<std::size_t>(bytes);
  }
  /// 128 MiB, besides their errors.
  std::int64_t logits_limit() const { return cost::gpu_logits; }

  template <typename... Parameters, typename... Arguments>
  void launch(const cuda_kernels::KernelShape& shape, void (*kernel)(Parameters...),
              Arguments&&... arguments) const {
    cce::launch(operation_, backend_.stream(), CudaLaunch{shape.blocks, shape.threads, shape.shared_bytes},
                kernel, std::forward<Arguments>(arguments)...);
  }

 private:
  CudaBackend& backend_;
  const char* operation_;
};

}  // namespace cce
