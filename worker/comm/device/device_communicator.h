#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "worker/comm/communicator.h"
#include "worker/comm/device/device_link.h"
#include "worker/comm/device/device_operation.h"
#include "worker/comm/messages/message_communicator.h"

namespace cce {

/// A communicator for device memory: spans that the link holds travel between devices, everything else
/// (sizes, texts, losses, blobs, barriers, notices of abort) goes through `host`. A span must lie in the same
/// kind of memory on every rank; empty spans count as host memory.
///
/// Work that is queued for computing when a verb is called comes before it; a verb that returned, or a
/// request that is done, comes before all work that is queued later. So `values` may be the output of a
/// kernel that still runs, and start_broadcast overlaps with whatever is queued after it.
///   broadcast     one call of the link
///   sums          in blocks of P × piece_bytes, each in the order of ranks, bit for bit as over messages:
///                 1. rank s gets everyone's part of segment s, one group
///                 2. it adds them in rank order
///                 3. its sum goes to the root, or to all, one group
///                 This moves as many bytes as a ring does, each directly to its destination. A library's own
///                 reduction would add in an order that depends on topology and size.
/// Errors: as in Communicator; worker_died for a failure that the link reports. After any error the link is
/// aborted, so that no kernel waits for a rank that is gone, and every verb throws that error again.
class DeviceCommunicator : public Communicator {
 public:
  /// Connects: a collective, which waits until the link is ready on this rank and every rank has come to it;
  /// a failure is told to the other ranks. 8 ≤ piece_bytes; it bounds the link's scratch memory to (P − 1) ×
  /// piece_bytes and never changes a result.
  DeviceCommunicator(std::unique_ptr<MessageCommunicator> host, std::unique_ptr<DeviceLink> link,
                     std::size_t piece_bytes);
  ~DeviceCommunicator() override;

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  double deadline_seconds() const override { return host_->deadline_seconds(); }
  bool takes_device_memory() const override { return true; }
  void broadcast(std::span<std::byte> bytes, int root) override;
  [[nodiscard]] std::unique_ptr<Request> start_broadcast(std::span<std::byte> bytes, int root) override;
  void reduce_sum(std::span<float> values, int root) override;
  void reduce_sum(std::span<double> values, int root) override;
  void all_reduce_sum(std::span<float> values) override;
  void all_reduce_sum(std::span<double> values) override;
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> blob, int root) override;
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> blob) override;
  void barrier() override;
  void abort(const Error& cause) noexcept override;

 private:
  class DeviceRequest;

  template <typename Body>
  std::invoke_result_t<Body> guarded(Body&& body);
  void give_link_up() noexcept;
  bool on_device(std::span<const std::byte> bytes) const;
  MessageCommunicator::MakeOperation operation(const DeviceCall& call, std::vector<DeviceQueue::Step> steps);
  std::vector<DeviceQueue::Step> broadcast_steps(std::span<std::byte> bytes, int root) const;
  template <typename T>
  std::vector<DeviceQueue::Step> sum_steps(std::span<T> values, std::optional<int> root) const;
  template <typename T>
  void sum_over_ranks(std::string_view verb, std::span<T> values, std::optional<int> root);

  std::unique_ptr<MessageCommunicator> host_;
  std::unique_ptr<DeviceLink> link_;
  DeviceQueue queue_;
  std::size_t piece_bytes_;
  bool link_given_up_ = false;
};

}  // namespace cce
