#pragma once
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>

#include "worker/tensor/cuda/cuda_error.h"

/// Owners of CUDA's handles: made on the current device, destroyed with the object, neither copied nor moved.
/// Constructors throw as cuda_error.h says.
namespace cce {

/// A queue of work that does not wait for the default stream.
class CudaStream {
 public:
  CudaStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "new CUDA stream"); }
  ~CudaStream() { cudaStreamDestroy(stream_); }
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;
  cudaStream_t get() const { return stream_; }
  operator cudaStream_t() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

/// A mark in a stream, for order between streams and between a stream and the host; keeps no time.
class CudaEvent {
 public:
  CudaEvent() { check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "new CUDA event"); }
  ~CudaEvent() { cudaEventDestroy(event_); }
  CudaEvent(const CudaEvent&) = delete;
  CudaEvent& operator=(const CudaEvent&) = delete;
  cudaEvent_t get() const { return event_; }

  /// Marks what is queued on `stream` so far.
  void record(cudaStream_t stream) { check_cuda(cudaEventRecord(event_, stream), "CUDA event"); }
  /// What is queued on `stream` from now on starts after the mark. An event never recorded holds nothing
  /// back.
  void hold_back(cudaStream_t stream) const {
    check_cuda(cudaStreamWaitEvent(stream, event_, 0), "CUDA event");
  }
  /// Whether the mark was reached.
  bool reached() const {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) {
      return false;
    }
    check_cuda(status, "CUDA event");
    return true;
  }
  /// The host waits for the mark.
  void wait() const { check_cuda(cudaEventSynchronize(event_), "CUDA event"); }

 private:
  cudaEvent_t event_ = nullptr;
};

/// cuBLAS on a stream.
class CublasHandle {
 public:
  explicit CublasHandle(cudaStream_t stream) {
    check_cublas(cublasCreate(&handle_), "start of cuBLAS");
    if (const cublasStatus_t status = cublasSetStream(handle_, stream); status != CUBLAS_STATUS_SUCCESS) {
      cublasDestroy(handle_);
      check_cublas(status, "start of cuBLAS");
    }
  }
  ~CublasHandle() { cublasDestroy(handle_); }
  CublasHandle(const CublasHandle&) = delete;
  CublasHandle& operator=(const CublasHandle&) = delete;
  operator cublasHandle_t() const { return handle_; }

 private:
  cublasHandle_t handle_ = nullptr;
};

/// cuSOLVER's dense solvers on a stream, with the parameters that the 64-bit functions take.
class CusolverHandle {
 public:
  explicit CusolverHandle(cudaStream_t stream);
  ~CusolverHandle();
  CusolverHandle(const CusolverHandle&) = delete;
  CusolverHandle& operator=(const CusolverHandle&) = delete;
  operator cusolverDnHandle_t() const { return handle_; }
  cusolverDnParams_t parameters() const { return parameters_; }

 private:
  cusolverDnHandle_t handle_ = nullptr;
  cusolverDnParams_t parameters_ = nullptr;
};

}  // namespace cce
