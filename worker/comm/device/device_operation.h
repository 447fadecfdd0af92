#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "common/base/error.h"
#include "worker/comm/device/device_link.h"
#include "worker/comm/messages/message_operations.h"

namespace cce {

/// What is to be put on a link's stream, one step after another in the order of the verbs: a step waits until
/// the one before it is on the stream, so that every rank issues the same calls in the same order, however
/// late one of them checks.
class DeviceQueue {
 public:
  using Step = std::function<void(DeviceLink&)>;

  explicit DeviceQueue(DeviceLink& link) : link_(link) {}
  DeviceLink& link() { return link_; }

  void push(Step step) { steps_.push_back(std::move(step)); }
  /// Puts on the stream what can be without waiting; true if anything was. Errors: those of the link.
  bool advance();
  /// Drops what has not been put on the stream: called after a failure, before the caller reuses the memory.
  void clear() { steps_.clear(); }

 private:
  DeviceLink& link_;
  std::deque<Step> steps_;
};

enum class DeviceVerb : std::uint32_t { connect, broadcast, reduce_sum_f32, reduce_sum_f64 };

/// What ranks must agree about before a verb counts as done.
struct DeviceCall {
  DeviceVerb verb = DeviceVerb::connect;
  std::int32_t root = -1;  ///< −1: every rank
  std::uint64_t bytes = 0;
  bool operator==(const DeviceCall&) const = default;
};

/// One verb over device memory. Two things run side by side:
///   on the stream   the steps; done when the stream has reached a mark after them
///   on the host     every rank tells every other what it calls, a message of 16 bytes; done when all have
///                   said the same. It names ranks that stay away, and ranks that disagree, which the stream
///                   cannot: its kernels would wait forever.
/// Errors of advance(): shape_mismatch for a disagreement, those of the link. A link fails on every rank when
/// one rank gives it up, so its error is held back for `patience` while the rank's own cause may come in.
class DeviceOperation : public Operation {
 public:
  DeviceOperation(Transport& transport, int tag, std::size_t message_bytes, const DeviceCall& call,
                  DeviceQueue& queue, std::vector<DeviceQueue::Step> steps,
                  std::chrono::milliseconds patience);

  bool advance() override;
  bool done() const override { return agreed_ && reached_; }
  /// Ranks that have not said what they call; all others where all have said it.
  std::vector<int> missing_peers() const override;
  std::optional<std::chrono::microseconds> polling_interval() const override;

 private:
  void check_agreement() const;
  bool advance_stream();

  int rank_;
  DeviceCall call_;
  std::vector<DeviceCall> calls_;  ///< by rank
  MessageBatch handshake_;
  bool agreed_ = false;
  DeviceQueue& queue_;
  std::chrono::milliseconds patience_;
  std::shared_ptr<std::optional<std::uint64_t>> mark_;  ///< shared with the last step
  bool reached_ = false;
  std::optional<Error> failure_;
  std::chrono::steady_clock::time_point throw_failure_at_;
};

}  // namespace cce
