#include "worker/comm/nccl/nccl_memory.h"

#include <cuda_runtime_api.h>

#include <algorithm>

#include "worker/comm/nccl/nccl_communicator.h"
#include "worker/tensor/cuda/cuda_backend.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_memory.h"

namespace cce {
namespace {

class CudaSpanMemory final : public DeviceMemory {
 public:
  explicit CudaSpanMemory(const CudaBackend& backend) : backend_(backend) {}

  bool holds(const void* data) const override { return is_gpu_memory(data); }

  std::shared_ptr<std::byte> host_block(std::size_t bytes) override {
    const auto block = std::make_shared<PinnedBuffer>(bytes);
    return {block, block->data()};
  }

  void download(std::span<const std::byte> device, std::span<std::byte> host) override {
    copy(host.data(), device.data(), device.size(), cudaMemcpyDeviceToHost);
  }

  void upload(std::span<const std::byte> host, std::span<std::byte> device) override {
    copy(device.data(), host.data(), host.size(), cudaMemcpyHostToDevice);
  }

 private:
  void copy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) const {
    check_cuda(cudaMemcpyAsync(to, from, bytes, kind, backend_.stream()), "copy of a message");
    check_cuda(cudaStreamSynchronize(backend_.stream()), "copy of a message");
  }

  const CudaBackend& backend_;
};

}  // namespace

bool is_gpu_memory(const void* data) {
  cudaPointerAttributes attributes{};
  if (cudaPointerGetAttributes(&attributes, data) != cudaSuccess) {
    cudaGetLastError();  // clears the error, which the next call would report
    return false;
  }
  return attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged;
}

std::unique_ptr<DeviceMemory> make_cuda_memory(Backend& backend) {
  const auto* cuda = dynamic_cast<const CudaBackend*>(&backend);
  if (cuda == nullptr) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "make_cuda_memory",
                .found = std::string(backend.device()),
                .expected = "a backend on a GPU",
                .remedy = "Report this: it is a bug"};
  }
  return std::make_unique<CudaSpanMemory>(*cuda);
}

}  // namespace cce
