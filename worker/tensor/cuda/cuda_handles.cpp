#include "worker/tensor/cuda/cuda_handles.h"

namespace cce {

CusolverHandle::CusolverHandle(cudaStream_t stream) {
  constexpr const char* operation = "start of cuSOLVER";
  check_cusolver(cusolverDnCreate(&handle_), operation);
  cusolverStatus_t status = cusolverDnSetStream(handle_, stream);
  if (status == CUSOLVER_STATUS_SUCCESS) {
    status = cusolverDnCreateParams(&parameters_);
  }
  if (status != CUSOLVER_STATUS_SUCCESS) {
    cusolverDnDestroy(handle_);
    check_cusolver(status, operation);
  }
}

CusolverHandle::~CusolverHandle() {
  cusolverDnDestroyParams(parameters_);
  cusolverDnDestroy(handle_);
}

}  // namespace cce
