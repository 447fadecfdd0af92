#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "common/base/error.h"

namespace cce {

/// What every implementation is built with.
struct CommunicatorOptions {
  /// A wait in which nothing arrives for this long is an error: longer than the longest work that one rank
  /// does between two calls while the others wait for it.
  double deadline_seconds = 600.0;
  /// Longest message; longer arguments travel in pieces of it. 8 ≤ message_bytes < 2 GiB. It bounds scratch
  /// memory (ranks × message_bytes in a reduction) and never changes a result.
  std::size_t message_bytes = std::size_t{1} << 20;
};

/// Every implementation calls it first. Errors: out_of_range.
void check_options(const CommunicatorOptions& options);

/// A broadcast under way. The bytes it was started with belong to it until test() or wait() has said that it
/// is done. Destroying it earlier ends the communicator: every later call on it throws.
class Request {
 public:
  Request() = default;
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  virtual ~Request() = default;

  /// Moves what can be moved without waiting; true when this rank's part is done. Call it between
  /// micro-batches: a rank in the middle of the tree passes pieces on only inside calls on its communicator.
  virtual bool test() = 0;
  /// Waits until this rank's part is done. Errors: as in Communicator.
  virtual void wait() = 0;
};

/// What ranks say to each other (docs/method.md 4). Each verb is called by every rank, in the same order,
/// with the same sizes and root; start_broadcast counts where it is started.
///
/// Memory: spans lie in host memory and stay the caller's. Where takes_device_memory() says so, the spans of
/// broadcast, start_broadcast, reduce_sum and all_reduce_sum may also lie in the memory of this rank's GPU.
/// Threads: one thread per communicator, the one that made it.
/// Errors, thrown as Error:
///   deadline_exceeded  nothing arrived for deadline_seconds; names the verb and the ranks that are missing
///   worker_died        the connection to a rank broke, or a rank aborted for a reason that is not an Error
///   shape_mismatch     ranks disagree about the size of an argument
///   invalid_argument   no such root; nothing was sent
///   and the cause that another rank gave to abort(), its place prefixed with that rank.
/// After an error other than invalid_argument the communicator cannot be used any more: every verb throws
/// that error again. A rank that returns from a verb knows that its own part is done, not that others have
/// finished; barrier() knows that all have arrived.
class Communicator {
 public:
  Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  virtual ~Communicator() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual double deadline_seconds() const = 0;
  /// Whether spans may lie in the memory of this rank's GPU. Such a verb starts behind the work that is
  /// queued on the rank's backend, and what is queued there afterwards starts behind the verb (a broadcast
  /// that was started: behind the wait for it).
  virtual bool takes_device_memory() const { return false; }

  /// Every rank's `bytes` become those of `root`.
  virtual void broadcast(std::span<std::byte> bytes, int root) = 0;
  /// The same without waiting. Several may be under way at once.
  [[nodiscard]] virtual std::unique_ptr<Request> start_broadcast(std::span<std::byte> bytes, int root) = 0;

  /// At `root`: values[i] = ((x₀[i] + x₁[i]) + x₂[i]) + …, x_r being rank r's argument: ranks in order, one
  /// rounding per addition, so the same ranks with the same inputs give the same bits. On other ranks
  /// `values` is overwritten with nothing meaningful.
  virtual void reduce_sum(std::span<float> values, int root) = 0;
  virtual void reduce_sum(std::span<double> values, int root) = 0;

  /// The same sum, bit for bit, on every rank.
  virtual void all_reduce_sum(std::span<float> values) = 0;
  virtual void all_reduce_sum(std::span<double> values) = 0;

  /// Small blobs, whose sizes may differ between ranks. At `root`: one per rank, in order; elsewhere empty.
  virtual std::vector<std::vector<std::byte>> gather(std::span<const std::byte> blob, int root) = 0;
  /// The same on every rank.
  virtual std::vector<std::vector<std::byte>> all_gather(std::span<const std::byte> blob) = 0;

  /// Returns when every rank has called it.
  virtual void barrier() = 0;

  /// Ends the communicator: the waits of all other ranks, now or later, throw `cause`. Neither waits for them
  /// nor ends a process.
  virtual void abort(const Error& cause) noexcept = 0;
};

/// Runs one rank's work. Whatever it throws is told to the other ranks by abort() before it is thrown on, so
/// that all ranks end with the same cause instead of waiting for a deadline.
void run_or_abort(Communicator& communicator, const std::function<void()>& work);

}  // namespace cce
