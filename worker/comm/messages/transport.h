#pragma once
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>

#include "common/base/error.h"

namespace cce {

/// One message under way. Destroying it before it is done cancels it.
class Message {
 public:
  Message() = default;
  Message(const Message&) = delete;
  Message& operator=(const Message&) = delete;
  virtual ~Message() = default;

  /// True once the caller may reuse the message's memory. Never waits. Errors: shape_mismatch (another size
  /// arrived than expected), worker_died. Their `where` is left to the caller.
  virtual bool test() = 0;
  virtual int peer() const = 0;
};

/// What carries messages between ranks: the interface below the collectives, so that every implementation
/// shares their algorithms and their order of summation. Messages from one rank to another with one tag
/// arrive in order. One thread per transport.
class Transport {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr int tag_limit = 32768;  ///< tags lie in [0, tag_limit): what MPI guarantees

  Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// `bytes` stays untouched by the caller until the message is done; less than 2 GiB.
  virtual std::unique_ptr<Message> start_send(int peer, int tag, std::span<const std::byte> bytes) = 0;
  virtual std::unique_ptr<Message> start_receive(int peer, int tag, std::span<std::byte> bytes) = 0;

  /// Throws the cause that a peer gave to abort(), if one did.
  virtual void check() = 0;
  /// Returns when something may have changed, at the latest at `until`.
  virtual void pause(Clock::time_point until) = 0;
  virtual void abort(const Error& cause) noexcept = 0;
};

}  // namespace cce
