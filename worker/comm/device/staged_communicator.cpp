#include "worker/comm/device/staged_communicator.h"

#include <algorithm>
#include <utility>

namespace cce {

class StagedCommunicator::StagedRequest : public Request {
 public:
  StagedRequest(DeviceMemory& memory, std::shared_ptr<std::byte> block, std::span<std::byte> device,
                bool returns, std::unique_ptr<Request> request)
      : memory_(memory),
        block_(std::move(block)),
        device_(device),
        returns_(returns),
        request_(std::move(request)) {}
  bool test() override {
    if (!request_->test()) {
      return false;
    }
    bring_back();
    return true;
  }
  void wait() override {
    request_->wait();
    bring_back();
  }

 private:
  void bring_back() {
    if (std::exchange(returns_, false)) {
      memory_.upload({block_.get(), device_.size()}, device_);
    }
  }

  DeviceMemory& memory_;
  std::shared_ptr<std::byte> block_;
  std::span<std::byte> device_;
  bool returns_;                      ///< bytes arrive here that have not been copied to the device yet
  std::unique_ptr<Request> request_;  ///< declared after block_, so that it ends before its memory is freed
};

StagedCommunicator::StagedCommunicator(std::unique_ptr<Communicator> host,
                                       std::unique_ptr<DeviceMemory> memory, std::size_t block_bytes)
    : host_(std::move(host)), memory_(std::move(memory)), block_bytes_(block_bytes) {}

bool StagedCommunicator::on_device(std::span<const std::byte> bytes) const {
  return size() > 1 && !bytes.empty() && memory_->holds(bytes.data());
}

template <typename T, typename Verb>
void StagedCommunicator::in_blocks(std::span<T> values, bool sends, bool returns, const Verb& verb) {
  if (!block_) {
    block_ = memory_->host_block(block_bytes_);
  }
  const std::size_t block_length = block_bytes_ / sizeof(T);
  for (std::size_t first = 0; first < values.size(); first += block_length) {
    const auto piece = values.subspan(first, std::min(block_length, values.size() - first));
    const std::span<std::byte> host(block_.get(), piece.size_bytes());
    if (sends) {
      memory_->download(std::as_bytes(piece), host);
    }
    verb(std::span<T>(reinterpret_cast<T*>(host.data()), piece.size()));
    if (returns) {
      memory_->upload(host, std::as_writable_bytes(piece));
    }
  }
}

void StagedCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  if (!on_device(bytes)) {
    host_->broadcast(bytes, root);
    return;
  }
  in_blocks(bytes, rank() == root, rank() != root,
            [&](std::span<std::byte> piece) { host_->broadcast(piece, root); });
}

std::unique_ptr<Request> StagedCommunicator::start_broadcast(std::span<std::byte> bytes, int root) {
  if (!on_device(bytes)) {
    return host_->start_broadcast(bytes, root);
  }
  auto block = memory_->host_block(bytes.size());
  const std::span<std::byte> host(block.get(), bytes.size());
  if (rank() == root) {
    memory_->download(bytes, host);
  }
  return std::make_unique<StagedRequest>(*memory_, std::move(block), bytes, rank() != root,
                                         host_->start_broadcast(host, root));
}

template <typename T>
void StagedCommunicator::sum(std::span<T> values, int root) {
  if (!on_device(std::as_bytes(values))) {
    host_->reduce_sum(values, root);
    return;
  }
  in_blocks(values, true, rank() == root, [&](std::span<T> piece) { host_->reduce_sum(piece, root); });
}

template <typename T>
void StagedCommunicator::sum_everywhere(std::span<T> values) {
  if (!on_device(std::as_bytes(values))) {
    host_->all_reduce_sum(values);
    return;
  }
  in_blocks(values, true, true, [&](std::span<T> piece) { host_->all_reduce_sum(piece); });
}

void StagedCommunicator::reduce_sum(std::span<float> values, int root) {
  sum(values, root);
}

void StagedCommunicator::reduce_sum(std::span<double> values, int root) {
  sum(values, root);
}

void StagedCommunicator::all_reduce_sum(std::span<float> values) {
  sum_everywhere(values);
}

void StagedCommunicator::all_reduce_sum(std::span<double> values) {
  sum_everywhere(values);
}

std::vector<std::vector<std::byte>> StagedCommunicator::gather(std::span<const std::byte> blob, int root) {
  return host_->gather(blob, root);
}

std::vector<std::vector<std::byte>> StagedCommunicator::all_gather(std::span<const std::byte> blob) {
  return host_->all_gather(blob);
}

}  // namespace cce
