#include "worker/tensor/cuda/cuda_error.h"

#include <string>

#include "common/base/error.h"
#include "common/base/number_format.h"

#ifndef CCE_CUDA_ARCHITECTURE_NAMES
#error "worker/tensor/CMakeLists.txt defines the compute capabilities that kernels are built for"
#endif

namespace cce {
namespace {

constexpr const char* failure_remedy =
    "run it again; if it comes back, CUDA_LAUNCH_BLOCKING=1 names the call, and resources.device: cpu goes "
    "without the GPU";

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

[[noreturn]] void refuse_driver(const char* operation) {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  int runtime = 0;
  cudaRuntimeGetVersion(&runtime);
  throw Error{
      .code = ErrorCode::unsupported,
      .where = operation,
      .found = driver == 0 ? "no NVIDIA driver" : "an NVIDIA driver for CUDA " + version_text(driver),
      .expected = "a driver for CUDA " + version_text(runtime) + " or newer",
      .remedy = driver == 0
                    ? "Install the driver, run where a GPU is visible, or set resources.device: cpu"
                    : "Update the driver, build with an older CUDA toolkit, or set resources.device: cpu"};
}

[[noreturn]] void refuse_architecture(const char* operation) {
  int device = 0;
  int major = 0;
  int minor = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device);
  throw Error{
      .code = ErrorCode::unsupported,
      .where = operation,
      .found = "a GPU of compute capability " + std::to_string(major) + "." + std::to_string(minor),
      .expected = std::string("one that this program has kernels for: ") + CCE_CUDA_ARCHITECTURE_NAMES,
      .remedy = "Build with -DCMAKE_CUDA_ARCHITECTURES=" + std::to_string(major) + std::to_string(minor) +
                "-real, or set resources.device: cpu"};
}

}  // namespace

void check_cuda(cudaError_t status, const char* operation) {
  switch (status) {
    case cudaSuccess:
      return;
    case cudaErrorInsufficientDriver:
    case cudaErrorUnsupportedPtxVersion:  // made by a newer toolkit than the driver knows
      refuse_driver(operation);
    case cudaErrorNoKernelImageForDevice:
    case cudaErrorInvalidDeviceFunction:
      refuse_architecture(operation);
    case cudaErrorMemoryAllocation: {
      std::size_t free = 0;
      std::size_t total = 0;
      cudaMemGetInfo(&free, &total);
      throw Error{
          .code = ErrorCode::does_not_fit,
          .where = operation,
          .found = "CUDA's own memory refused, with " + format_bytes(static_cast<std::int64_t>(free)) +
                   " free of the GPU's " + format_bytes(static_cast<std::int64_t>(total)),
          .expected = "some hundred MB beside this program's pool",
          .remedy =
              "Lower resources.memory (what this program takes for itself), or end what else uses the GPU"};
    }
    default:
      throw Error{.code = ErrorCode::device_failure,
                  .where = operation,
                  .found = std::string(cudaGetErrorName(status)) + " (" + cudaGetErrorString(status) + ")",
                  .expected = {},
                  .remedy = failure_remedy};
  }
}

void check_cublas(cublasStatus_t status, const char* operation) {
  if (status == CUBLAS_STATUS_SUCCESS) {
    return;
  }
  if (status == CUBLAS_STATUS_ALLOC_FAILED) {
    check_cuda(cudaErrorMemoryAllocation, operation);
  }
  if (status == CUBLAS_STATUS_ARCH_MISMATCH) {
    refuse_architecture(operation);
  }
  throw Error{.code = ErrorCode::device_failure,
              .where = operation,
              .found = std::string("cuBLAS says ") + cublasGetStatusString(status),
              .expected = {},
              .remedy = failure_remedy};
}

void check_cusolver(cusolverStatus_t status, const char* operation) {
  if (status == CUSOLVER_STATUS_SUCCESS) {
    return;
  }
  if (status == CUSOLVER_STATUS_ALLOC_FAILED) {
    check_cuda(cudaErrorMemoryAllocation, operation);
  }
  if (status == CUSOLVER_STATUS_ARCH_MISMATCH) {
    refuse_architecture(operation);
  }
  throw Error{.code = ErrorCode::device_failure,
              .where = operation,
              .found = "cuSOLVER status " + std::to_string(static_cast<int>(status)),
              .expected = {},
              .remedy = failure_remedy};
}

}  // namespace cce
