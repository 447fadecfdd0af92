#include "common/base/error.h"
#include "worker/comm/nccl/nccl_communicator.h"

// What a build without CUDA links in place of nccl_*.
namespace cce {
namespace {

[[noreturn]] void refuse() {
  throw Error{
      .code = ErrorCode::unsupported,
      .where = "resources.device",
      .found = "device memory, in a program that was built without CUDA and NCCL",
      .expected = "auto or cpu",
      .remedy = "Configure the preset cuda on a machine with the CUDA toolkit (12 or newer) and NCCL"};
}

}  // namespace

RankDevice nccl_device(const Backend&) {
  return {};
}

std::unique_ptr<DeviceLink> make_nccl_link(Communicator&, Backend&) {
  refuse();
}

std::unique_ptr<DeviceMemory> make_cuda_memory(Backend&) {
  refuse();
}

}  // namespace cce
