#pragma once
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cusolverDn.h>

/// Status codes of CUDA and its libraries as Errors: does_not_fit where memory ran out, unsupported where the
/// driver or the device cannot run this program, device_failure for everything else. `operation` opens the
/// error's `where`. Work is queued, so a kernel's failure may be reported by a later call.
namespace cce {

void check_cuda(cudaError_t status, const char* operation);
void check_cublas(cublasStatus_t status, const char* operation);
void check_cusolver(cusolverStatus_t status, const char* operation);

}  // namespace cce
