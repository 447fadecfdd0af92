#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "worker/comm/communicator.h"
#include "worker/comm/device/device_memory.h"

namespace cce {

/// A communicator for device memory without a link between devices: spans of device memory are copied to the
/// host, travel through `host` and are copied back, in blocks, with the same result bit for bit. For ranks
/// that share a GPU, which NCCL refuses. Spans in host memory go to `host` as they are; a span must lie in
/// the same kind of memory on every rank.
///
/// Errors: those of `host` and of the device's memory.
class StagedCommunicator : public Communicator {
 public:
  /// 8 ≤ block_bytes: pinned memory that a sum or a broadcast needs. start_broadcast needs as much as it
  /// sends.
  StagedCommunicator(std::unique_ptr<Communicator> host, std::unique_ptr<DeviceMemory> memory,
                     std::size_t block_bytes);

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  double deadline_seconds() const override { return host_->deadline_seconds(); }
  bool takes_device_memory() const override { return true; }
  void broadcast(std::span<std::byte> bytes, int root) override;
  /// The root's copy to the host is made here; the copy back when the request is found done.
  [[nodiscard]] std::unique_ptr<Request> start_broadcast(std::span<std::byte> bytes, int root) override;
  void reduce_sum(std::span<float> values, int root) override;
  void reduce_sum(std::span<double> values, int root) override;
  void all_reduce_sum(std::span<float> values) override;
  void all_reduce_sum(std::span<double> values) override;
  std::vector<std::vector<std::byte>> gather(std::span<const std::byte> blob, int root) override;
  std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> blob) override;
  void barrier() override { host_->barrier(); }
  void abort(const Error& cause) noexcept override { host_->abort(cause); }

 private:
  class StagedRequest;

  bool on_device(std::span<const std::byte> bytes) const;
  /// Calls `verb` with a host copy of each block of `values`; copies back where `returns`.
  template <typename T, typename Verb>
  void in_blocks(std::span<T> values, bool sends, bool returns, const Verb& verb);
  template <typename T>
  void sum(std::span<T> values, int root);
  template <typename T>
  void sum_everywhere(std::span<T> values);

  std::unique_ptr<Communicator> host_;
  std::unique_ptr<DeviceMemory> memory_;
  std::size_t block_bytes_;
  std::shared_ptr<std::byte> block_;  ///< made when first needed
};

}  // namespace cce
