#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "worker/comm/communicator.h"
#include "worker/comm/messages/message_operations.h"
#include "worker/comm/messages/transport.h"

namespace cce {

/// The verbs of Communicator as exchanges of messages: one set of algorithms for every transport.
///   broadcast   binary tree, pipelined in pieces (BroadcastOperation)
///   reduce_sum  in blocks of P × message_bytes:
///               1. rank s gets everyone's part of segment s   2. it adds them in rank order
///               3. its sum goes to the root, or to all
///   all_gather  gather to rank 0, then two broadcasts (sizes, bytes)
///   barrier     ⌈log₂ P⌉ rounds: signal rank + 2^k, wait for rank − 2^k
class MessageCommunicator : public Communicator {
 public:
  /// The options have passed check_options.
  MessageCommunicator(std::unique_ptr<Transport> transport, const CommunicatorOptions& options);

  int rank() const override { return transport_->rank(); }
  int size() const override { return transport_->size(); }
  double deadline_seconds() const override { return options_.deadline_seconds; }
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

  /// Makes an operation whose messages go over `transport` with `tag`. Called at once, once.
  using MakeOperation = std::function<std::unique_ptr<Operation>(Transport& transport, int tag)>;
  /// A verb of the caller's own: runs its operation to the end, in the same order on every rank as all other
  /// verbs, with their deadline, errors and abort. Errors: as in Communicator, and what `make` throws.
  void complete(std::string_view verb, const MakeOperation& make);
  /// The same without waiting. Must not outlive the communicator.
  [[nodiscard]] std::unique_ptr<Request> start(std::string_view verb, const MakeOperation& make);

  /// Errors: invalid_argument for a root that does not exist.
  void check_root(std::string_view verb, int root) const;

 private:
  class OperationRequest;

  template <typename Body>
  std::invoke_result_t<Body> guarded(std::string_view verb, Body&& body);
  void wait(Operation& operation);
  [[noreturn]] void throw_deadline_exceeded(const Operation& operation) const;
  Transport::Clock::time_point next_look(const Operation& waited_for, Transport::Clock::time_point now) const;
  MessageBatch start_batch(int tag) { return {*transport_, tag, options_.message_bytes}; }
  int next_tag();
  template <typename T>
  void sum_over_ranks(std::span<T> values, std::optional<int> root);
  template <typename T>
  void sum_block(std::span<T> block, std::optional<int> root, int tag, std::vector<T>& scratch);
  std::vector<std::vector<std::byte>> gather_messages(std::span<const std::byte> blob, int root);

  std::unique_ptr<Transport> transport_;
  CommunicatorOptions options_;
  std::optional<Error> failure_;       ///< the first error; thrown again by every later verb
  std::vector<Operation*> under_way_;  ///< started broadcasts: every wait also moves these
  int tag_ = 0;                        ///< counts verbs, which every rank calls in the same order
};

}  // namespace cce
