// What a user reads when the driver, the GPU or its memory is not what the program needs.
#include "worker/tensor/cuda/cuda_error.h"

#include "tests/common/error_matcher.h"

namespace cce {
namespace {

struct StatusRow {
  const char* name;
  void (*fail)();
  ErrorCode code;
  const char* says;
};

class CudaStatus : public ::testing::TestWithParam<StatusRow> {};

TEST_P(CudaStatus, becomes_an_error_that_says_what_to_do) {
  expect_error(GetParam().fail, GetParam().code, "the operation");
  expect_error(GetParam().fail, GetParam().code, GetParam().says);
}

const StatusRow status_rows[] = {
    {"driver", [] { check_cuda(cudaErrorInsufficientDriver, "the operation"); }, ErrorCode::unsupported,
     "resources.device: cpu"},
    {"no_kernels", [] { check_cuda(cudaErrorNoKernelImageForDevice, "the operation"); },
     ErrorCode::unsupported, "-DCMAKE_CUDA_ARCHITECTURES="},
    {"newer_ptx", [] { check_cuda(cudaErrorUnsupportedPtxVersion, "the operation"); }, ErrorCode::unsupported,
     "a driver for CUDA"},
    {"memory", [] { check_cuda(cudaErrorMemoryAllocation, "the operation"); }, ErrorCode::does_not_fit,
     "Lower resources.memory"},
    {"launch", [] { check_cuda(cudaErrorLaunchFailure, "the operation"); }, ErrorCode::device_failure,
     "CUDA_LAUNCH_BLOCKING=1"},
    {"cublas_memory", [] { check_cublas(CUBLAS_STATUS_ALLOC_FAILED, "the operation"); },
     ErrorCode::does_not_fit, "Lower resources.memory"},
    {"cublas_architecture", [] { check_cublas(CUBLAS_STATUS_ARCH_MISMATCH, "the operation"); },
     ErrorCode::unsupported, "-DCMAKE_CUDA_ARCHITECTURES="},
    {"cublas", [] { check_cublas(CUBLAS_STATUS_EXECUTION_FAILED, "the operation"); },
     ErrorCode::device_failure, "cuBLAS says"},
    {"cusolver_memory", [] { check_cusolver(CUSOLVER_STATUS_ALLOC_FAILED, "the operation"); },
     ErrorCode::does_not_fit, "Lower resources.memory"},
    {"cusolver", [] { check_cusolver(CUSOLVER_STATUS_INTERNAL_ERROR, "the operation"); },
     ErrorCode::device_failure, "cuSOLVER status"}};

INSTANTIATE_TEST_SUITE_P(Statuses, CudaStatus, ::testing::ValuesIn(status_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(CudaStatuses, success_is_no_error) {
  EXPECT_NO_THROW(check_cuda(cudaSuccess, "the operation"));
  EXPECT_NO_THROW(check_cublas(CUBLAS_STATUS_SUCCESS, "the operation"));
  EXPECT_NO_THROW(check_cusolver(CUSOLVER_STATUS_SUCCESS, "the operation"));
}

}  // namespace
}  // namespace cce
