#include "common/base/error.h"
#include "worker/tensor/cuda/cuda_device.h"
#include "worker/tensor/numeric_libraries.h"

// What a build without CUDA links in place of cuda_*.
namespace cce {
namespace {

[[noreturn]] void refuse() {
  throw Error{
      .code = ErrorCode::unsupported,
      .where = "resources.device",
      .found = "a program that was built without CUDA",
      .expected = "one that was built with it",
      .remedy = "Configure the preset cuda on a machine with the CUDA toolkit (12 or newer) and NCCL"};
}

}  // namespace

bool built_with_cuda() {
  return false;
}

std::vector<CudaDevice> cuda_devices() {
  refuse();
}

std::vector<NumericLibrary> cuda_libraries(int) {
  refuse();
}

std::unique_ptr<Backend> make_cuda_backend(const CudaOptions&) {
  refuse();
}

}  // namespace cce
