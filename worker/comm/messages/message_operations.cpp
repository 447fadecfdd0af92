#include "worker/comm/messages/message_operations.h"

#include <algorithm>
#include <set>

namespace cce {
namespace {

template <typename Messages>
void insert_peers(const Messages& messages, std::set<int>& peers) {
  for (const auto& message : messages) {
    peers.insert(message->peer());
  }
}

}  // namespace

void MessageBatch::send(int peer, std::span<const std::byte> bytes) {
  for (std::size_t first = 0; first < bytes.size(); first += message_bytes_) {
    const auto piece = bytes.subspan(first, std::min(message_bytes_, bytes.size() - first));
    messages_.push_back(transport_.start_send(peer, tag_, piece));
  }
}

void MessageBatch::receive(int peer, std::span<std::byte> bytes) {
  for (std::size_t first = 0; first < bytes.size(); first += message_bytes_) {
    const auto piece = bytes.subspan(first, std::min(message_bytes_, bytes.size() - first));
    messages_.push_back(transport_.start_receive(peer, tag_, piece));
  }
}

void MessageBatch::send_signal(int peer) {
  messages_.push_back(transport_.start_send(peer, tag_, {}));
}

void MessageBatch::receive_signal(int peer) {
  messages_.push_back(transport_.start_receive(peer, tag_, {}));
}

bool MessageBatch::advance() {
  return std::erase_if(messages_, [](const auto& message) { return message->test(); }) > 0;
}

std::vector<int> MessageBatch::missing_peers() const {
  std::set<int> peers;
  insert_peers(messages_, peers);
  return {peers.begin(), peers.end()};
}

BroadcastOperation::BroadcastOperation(Transport& transport, int tag, std::size_t message_bytes,
                                       std::span<std::byte> bytes, int root)
    : transport_(transport), tag_(tag), message_bytes_(message_bytes), bytes_(bytes) {
  const int ranks = transport.size();
  const int node = (transport.rank() - root + ranks) % ranks;
  for (int child = 2 * node + 1; child <= 2 * node + 2 && child < ranks; ++child) {
    children_.push_back((child + root) % ranks);
  }
  for (std::size_t index = 0; index < pieces(); ++index) {
    if (node == 0) {
      pass_on(index);
    } else {
      const int parent = ((node - 1) / 2 + root) % ranks;
      receives_.push_back(transport_.start_receive(parent, tag_, piece(index)));
    }
  }
}

std::span<std::byte> BroadcastOperation::piece(std::size_t index) const {
  const std::size_t first = index * message_bytes_;
  return bytes_.subspan(first, std::min(message_bytes_, bytes_.size() - first));
}

void BroadcastOperation::pass_on(std::size_t index) {
  for (const int child : children_) {
    sends_.push_back(transport_.start_send(child, tag_, piece(index)));
  }
}

bool BroadcastOperation::advance() {
  bool moved = false;
  while (!receives_.empty() && receives_.front()->test()) {
    receives_.pop_front();
    pass_on(next_piece_++);
    moved = true;
  }
  return std::erase_if(sends_, [](const auto& message) { return message->test(); }) > 0 || moved;
}

std::vector<int> BroadcastOperation::missing_peers() const {
  std::set<int> peers;
  insert_peers(receives_, peers);
  insert_peers(sends_, peers);
  return {peers.begin(), peers.end()};
}

}  // namespace cce
