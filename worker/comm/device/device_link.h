#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "worker/tensor/dtype.h"

namespace cce {

/// The few calls of NCCL and of a device that DeviceCommunicator uses: an interface of its own, so that its
/// algorithms, deadlines and failures are tested without a device. Everything that moves bytes is put on one
/// stream of the link's own, apart from the one that computes, and runs there in the order of the calls.
/// Every rank makes the same calls of broadcast and exchange in the same order.
///
/// After broadcast or exchange nothing else may be put on the stream until ready() has returned true: a
/// non-blocking call may still be enqueuing itself. One thread per link. Errors: worker_died where the
/// library or the device reports a failure. Their `where` is left to the caller.
class DeviceLink {
 public:
  struct Send {
    int peer;
    std::span<const std::byte> bytes;
  };
  struct Receive {
    int peer;
    std::span<std::byte> bytes;
  };

  DeviceLink() = default;
  DeviceLink(const DeviceLink&) = delete;
  DeviceLink& operator=(const DeviceLink&) = delete;
  /// Waits a bounded time for what was put on the stream, then gives it up.
  virtual ~DeviceLink() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Whether `data` lies in the device's memory, and so may be given to the calls below.
  virtual bool holds(const void* data) const = 0;
  /// True once the connection stands and the last call is on the stream. Never waits.
  virtual bool ready() = 0;
  /// What is put on the stream from now on starts after all that is queued for computing so far.
  virtual void follow_compute() = 0;
  /// Every rank's `bytes` become those of `root`.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  /// All messages as one group, none of which waits for another. Peers are other ranks.
  virtual void exchange(std::span<const Send> sends, std::span<const Receive> receives) = 0;
  /// own[i] ← ((x₀[i] + x₁[i]) + x₂[i]) + … with x_rank = own and the other ranks' parts, `count` elements
  /// each, one after another in order of rank in `others`; f32 or f64, one rounding per addition.
  virtual void add_parts(DType dtype, void* own, const void* others, std::size_t count) = 0;
  /// Device memory of the link, at least `bytes` long; valid until a call asks for more. Errors:
  /// does_not_fit.
  virtual std::span<std::byte> scratch(std::size_t bytes) = 0;
  /// A mark after everything that is on the stream.
  virtual std::uint64_t record() = 0;
  /// Whether the stream has reached `mark`. Never waits.
  virtual bool reached(std::uint64_t mark) = 0;
  /// Ends what is under way, immediately on this rank; other ranks' parts of it may fail or hang. Returns
  /// within seconds; afterwards only holds() may be called.
  virtual void abort() noexcept = 0;
};

}  // namespace cce
