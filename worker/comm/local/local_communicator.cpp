#include "worker/comm/local/local_communicator.h"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "worker/comm/messages/message_communicator.h"
#include "worker/comm/messages/transport.h"

namespace cce {
namespace {

/// Messages from one rank to another with one tag; the n-th receive gets the n-th message.
struct Channel {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;  ///< receives started
  std::map<std::uint64_t, std::vector<std::byte>> arrived;
};

/// What one rank waits on.
struct Mailbox {
  std::condition_variable changed;
  std::uint64_t changes = 0;
  std::map<std::pair<int, int>, Channel> channels;  ///< by (source, tag)
};

/// What the ranks share; all of it under `mutex`.
struct LocalGroup {
  explicit LocalGroup(int ranks) : mailboxes(static_cast<std::size_t>(ranks)) {}
  std::mutex mutex;
  std::vector<Mailbox> mailboxes;
  std::optional<Error> aborted;
  int aborted_by = -1;

  void announce(Mailbox& mailbox) {
    ++mailbox.changes;
    mailbox.changed.notify_one();
  }
};

/// Done from the start: the group holds a copy.
class LocalSend : public Message {
 public:
  explicit LocalSend(int peer) : peer_(peer) {}
  bool test() override { return true; }
  int peer() const override { return peer_; }

 private:
  int peer_;
};

class LocalReceive : public Message {
 public:
  LocalReceive(LocalGroup& group, Mailbox& mailbox, int peer, int tag, std::uint64_t index,
               std::span<std::byte> bytes)
      : group_(group), mailbox_(mailbox), peer_(peer), tag_(tag), index_(index), bytes_(bytes) {}

  bool test() override {
    const std::optional<std::vector<std::byte>> message = take();
    if (!message) {
      return false;
    }
    if (message->size() != bytes_.size()) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = {},
                  .found = std::to_string(message->size()) + " bytes from rank " + std::to_string(peer_),
                  .expected = std::to_string(bytes_.size()) + " bytes",
                  .remedy = "Report this: ranks disagree about one call"};
    }
    std::copy(message->begin(), message->end(), bytes_.begin());
    return true;
  }
  int peer() const override { return peer_; }

 private:
  std::optional<std::vector<std::byte>> take() {
    const std::lock_guard lock(group_.mutex);
    const auto position = mailbox_.channels.find({peer_, tag_});
    Channel& channel = position->second;
    auto node = channel.arrived.extract(index_);
    if (node.empty()) {
      return std::nullopt;
    }
    if (channel.sent == channel.received && channel.arrived.empty()) {
      mailbox_.channels.erase(position);  // nothing refers to it, and tags are used again
    }
    return std::move(node.mapped());
  }

  LocalGroup& group_;
  Mailbox& mailbox_;
  int peer_;
  int tag_;
  std::uint64_t index_;
  std::span<std::byte> bytes_;
};

class LocalTransport : public Transport {
 public:
  LocalTransport(std::shared_ptr<LocalGroup> group, int rank) : group_(std::move(group)), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(group_->mailboxes.size()); }

  std::unique_ptr<Message> start_send(int peer, int tag, std::span<const std::byte> bytes) override {
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    const std::lock_guard lock(group_->mutex);
    Mailbox& destination = mailbox(peer);
    Channel& channel = destination.channels[{rank_, tag}];
    channel.arrived.emplace(channel.sent++, std::move(copy));
    group_->announce(destination);
    return std::make_unique<LocalSend>(peer);
  }

  std::unique_ptr<Message> start_receive(int peer, int tag, std::span<std::byte> bytes) override {
    const std::lock_guard lock(group_->mutex);
    const std::uint64_t index = mailbox(rank_).channels[{peer, tag}].received++;
    return std::make_unique<LocalReceive>(*group_, mailbox(rank_), peer, tag, index, bytes);
  }

  void check() override {
    const std::lock_guard lock(group_->mutex);
    if (group_->aborted && group_->aborted_by != rank_) {
      Error cause = *group_->aborted;
      cause.where = "rank " + std::to_string(group_->aborted_by) + ": " + cause.where;
      throw cause;
    }
  }

  void pause(Clock::time_point until) override {
    std::unique_lock lock(group_->mutex);
    Mailbox& own = mailbox(rank_);
    own.changed.wait_until(lock, until, [&] { return own.changes != changes_seen_; });
    changes_seen_ = own.changes;
  }

  void abort(const Error& cause) noexcept override {
    const std::lock_guard lock(group_->mutex);
    if (group_->aborted) {
      return;
    }
    group_->aborted = cause;
    group_->aborted_by = rank_;
    for (Mailbox& waiting : group_->mailboxes) {
      group_->announce(waiting);
    }
  }

 private:
  Mailbox& mailbox(int rank) { return group_->mailboxes[static_cast<std::size_t>(rank)]; }

  std::shared_ptr<LocalGroup> group_;
  int rank_;
  /// Changes that happened before the last look at the messages may be unseen: pause() returns for those at
  /// once.
  std::uint64_t changes_seen_ = 0;
};

}  // namespace

std::vector<std::unique_ptr<MessageCommunicator>> make_local_communicators(
    int ranks, const CommunicatorOptions& options) {
  check_options(options);
  if (ranks < 1) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "make_local_communicators",
                .found = std::to_string(ranks) + " ranks",
                .expected = "at least 1",
                .remedy = "Give the number of ranks"};
  }
  const auto group = std::make_shared<LocalGroup>(ranks);
  std::vector<std::unique_ptr<MessageCommunicator>> communicators;
  communicators.reserve(group->mailboxes.size());
  for (int rank = 0; rank < ranks; ++rank) {
    communicators.push_back(
        std::make_unique<MessageCommunicator>(std::make_unique<LocalTransport>(group, rank), options));
  }
  return communicators;
}

}  // namespace cce
