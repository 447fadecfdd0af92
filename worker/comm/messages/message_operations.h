#pragma once
#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "worker/comm/messages/transport.h"

namespace cce {

/// Something that ends once its messages are done.
class Operation {
 public:
  Operation() = default;
  Operation(const Operation&) = delete;
  Operation& operator=(const Operation&) = delete;
  virtual ~Operation() = default;

  /// Moves what can be moved without waiting; true if anything did. Errors: those of Message::test.
  virtual bool advance() = 0;
  virtual bool done() const = 0;
  /// Ranks whose messages are not done, each once, in order.
  virtual std::vector<int> missing_peers() const = 0;
  /// How soon to check again what the transport cannot know of, such as a device's work.
  virtual std::optional<std::chrono::microseconds> polling_interval() const { return std::nullopt; }
};

/// A set of messages that are independent of each other.
class MessageBatch : public Operation {
 public:
  MessageBatch(Transport& transport, int tag, std::size_t message_bytes)
      : transport_(transport), tag_(tag), message_bytes_(message_bytes) {}

  /// Starts messages for all of `bytes`, in pieces. An empty span is no message: both sides know the size.
  void send(int peer, std::span<const std::byte> bytes);
  void receive(int peer, std::span<std::byte> bytes);
  /// One message without content.
  void send_signal(int peer);
  void receive_signal(int peer);

  bool advance() override;
  bool done() const override { return messages_.empty(); }
  std::vector<int> missing_peers() const override;

 private:
  Transport& transport_;
  int tag_;
  std::size_t message_bytes_;
  std::vector<std::unique_ptr<Message>> messages_;
};

/// Broadcast down a binary tree, in pieces: with v = (rank − root) mod P, node v receives from (v − 1) / 2
/// and passes each piece on to 2v + 1 and 2v + 2 as soon as it has it.
class BroadcastOperation : public Operation {
 public:
  BroadcastOperation(Transport& transport, int tag, std::size_t message_bytes, std::span<std::byte> bytes,
                     int root);

  bool advance() override;
  bool done() const override { return receives_.empty() && sends_.empty(); }
  std::vector<int> missing_peers() const override;

 private:
  std::size_t pieces() const { return (bytes_.size() + message_bytes_ - 1) / message_bytes_; }
  std::span<std::byte> piece(std::size_t index) const;
  void pass_on(std::size_t index);

  Transport& transport_;
  int tag_;
  std::size_t message_bytes_;
  std::span<std::byte> bytes_;
  std::vector<int> children_;
  std::size_t next_piece_ = 0;                     ///< the piece that receives_.front() waits for
  std::deque<std::unique_ptr<Message>> receives_;  ///< in order of pieces
  std::deque<std::unique_ptr<Message>> sends_;
};

}  // namespace cce
