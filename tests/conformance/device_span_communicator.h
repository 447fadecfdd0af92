#pragma once
/// Takes the suites over communicators, whose arguments lie in host memory, to device memory: every span is
/// copied to the device, given to the communicator under test there, and copied back.
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "worker/comm/communicator.h"

namespace cce::communicator_suite {

/// Device memory as a test sees it. Copies wait until they are done.
struct SpanMemory {
  std::function<std::shared_ptr<void>(std::size_t bytes)> allocate;
  std::function<void(std::span<const std::byte> host, void* device)> upload;
  std::function<void(const void* device, std::span<std::byte> host)> download;
};

class DeviceSpanCommunicator : public Communicator {
 public:
  DeviceSpanCommunicator(Communicator& inner, const SpanMemory& memory) : inner_(inner), memory_(memory) {}

  int rank() const override { return inner_.rank(); }
  int size() const override { return inner_.size(); }
  double deadline_seconds() const override { return inner_.deadline_seconds(); }
  void broadcast(std::span<std::byte> bytes, int root) override {
    on_device(bytes, [&](std::span<std::byte> device) { inner_.broadcast(device, root); });
  }
  [[nodiscard]] std::unique_ptr<Request> start_broadcast(std::span<std::byte> bytes, int root) override {
    auto device = to_device(bytes);
    const std::span<std::byte> span(static_cast<std::byte*>(device.get()), bytes.size());
    return std::make_unique<SpanRequest>(memory_, std::move(device), bytes,
                                         inner_.start_broadcast(span, root));
  }
  void reduce_sum(std::span<float> values, int root) override { reduce(values, root); }
  void reduce_sum(std::span<double> values, int root) override { reduce(values, root); }
  void all_reduce_sum(std::span<float> values) override { all_reduce(values); }
  void all_reduce_sum(std::span<double> values) override { all_reduce(values); }
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> blob, int root) override {
    return inner_.gather(blob, root);
  }
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> blob) override {
    return inner_.all_gather(blob);
  }
  void barrier() override { inner_.barrier(); }
  void abort(const Error& cause) noexcept override { inner_.abort(cause); }

 private:
  class SpanRequest : public Request {
   public:
    SpanRequest(const SpanMemory& memory, std::shared_ptr<void> device, std::span<std::byte> host,
                std::unique_ptr<Request> request)
        : memory_(memory), device_(std::move(device)), host_(host), request_(std::move(request)) {}
    bool test() override { return request_->test() && bring_home(); }
    void wait() override {
      request_->wait();
      bring_home();
    }

   private:
    bool bring_home() {
      memory_.download(device_.get(), host_);
      return true;
    }
    const SpanMemory& memory_;
    std::shared_ptr<void> device_;
    std::span<std::byte> host_;
    std::unique_ptr<Request> request_;
  };

  std::shared_ptr<void> to_device(std::span<const std::byte> bytes) const {
    auto device = memory_.allocate(bytes.size());
    memory_.upload(bytes, device.get());
    return device;
  }
  template <typename Call>
  void on_device(std::span<std::byte> bytes, const Call& call) const {
    const auto device = to_device(bytes);
    call({static_cast<std::byte*>(device.get()), bytes.size()});
    memory_.download(device.get(), bytes);
  }
  template <typename T>
  static std::span<T> typed(std::span<std::byte> bytes) {
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  template <typename T>
  void reduce(std::span<T> values, int root) {
    on_device(std::as_writable_bytes(values),
              [&](std::span<std::byte> device) { inner_.reduce_sum(typed<T>(device), root); });
  }
  template <typename T>
  void all_reduce(std::span<T> values) {
    on_device(std::as_writable_bytes(values),
              [&](std::span<std::byte> device) { inner_.all_reduce_sum(typed<T>(device)); });
  }

  Communicator& inner_;
  const SpanMemory& memory_;
};

}  // namespace cce::communicator_suite
