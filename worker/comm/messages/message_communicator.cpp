#include "worker/comm/messages/message_communicator.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "worker/comm/messages/rank_order_sum.h"

namespace cce {
namespace {

std::string place(std::string_view verb, int rank, int size) {
  return std::string(verb) + " on rank " + std::to_string(rank) + " of " + std::to_string(size);
}

}  // namespace

/// Registered with its communicator while under way, so that a wait for something else still passes pieces
/// on.
class MessageCommunicator::OperationRequest : public Request {
 public:
  OperationRequest(MessageCommunicator& communicator, std::string_view verb,
                   std::unique_ptr<Operation> operation)
      : communicator_(communicator), verb_(verb), operation_(std::move(operation)) {
    communicator_.under_way_.push_back(operation_.get());
  }
  ~OperationRequest() override {
    std::erase(communicator_.under_way_, operation_.get());
    if (!operation_->done() && !communicator_.failure_) {
      communicator_.failure_ = Error{.code = ErrorCode::worker_died,
                                     .where = place(verb_, communicator_.rank(), communicator_.size()),
                                     .found = "a broadcast that was dropped before it was done",
                                     .expected = "wait() on every request",
                                     .remedy = "Read the error that came before this one"};
    }
  }
  bool test() override {
    return communicator_.guarded(verb_, [this] {
      communicator_.transport_->check();
      operation_->advance();
      return operation_->done();
    });
  }
  void wait() override {
    communicator_.guarded(verb_, [this] { communicator_.wait(*operation_); });
  }

 private:
  MessageCommunicator& communicator_;
  std::string verb_;
  std::unique_ptr<Operation> operation_;
};

MessageCommunicator::MessageCommunicator(std::unique_ptr<Transport> transport,
                                         const CommunicatorOptions& options)
    : transport_(std::move(transport)), options_(options) {}

/// Runs a verb: refuses after an earlier failure, and remembers the failure of this one.
template <typename Body>
std::invoke_result_t<Body> MessageCommunicator::guarded(std::string_view verb, Body&& body) {
  if (failure_) {
    throw *failure_;
  }
  try {
    return body();
  } catch (const Error& error) {
    failure_ = error;
    if (failure_->where.empty()) {
      failure_->where = place(verb, rank(), size());
    }
    throw *failure_;
  }
}

/// The deadline counts from the last progress, so that it need not grow with the bytes.
void MessageCommunicator::wait(Operation& operation) {
  const auto patience = std::chrono::duration_cast<Transport::Clock::duration>(
      std::chrono::duration<double>(options_.deadline_seconds));
  auto give_up = Transport::Clock::now() + patience;
  while (true) {
    const bool moved = operation.advance();
    if (operation.done()) {
      return;
    }
    for (Operation* other : under_way_) {
      other->advance();
    }
    transport_->check();
    const auto now = Transport::Clock::now();
    if (moved) {
      give_up = now + patience;
    } else if (now >= give_up) {
      throw_deadline_exceeded(operation);
    } else {
      transport_->pause(std::min(give_up, next_look(operation, now)));
    }
  }
}

/// When what is under way must be looked at again, whatever the transport hears until then.
Transport::Clock::time_point MessageCommunicator::next_look(const Operation& waited_for,
                                                            Transport::Clock::time_point now) const {
  auto next = Transport::Clock::time_point::max();
  const auto consider = [&](const Operation& operation) {
    if (const auto interval = operation.polling_interval()) {
      next = std::min(next, now + *interval);
    }
  };
  consider(waited_for);
  for (const Operation* other : under_way_) {
    consider(*other);
  }
  return next;
}

void MessageCommunicator::throw_deadline_exceeded(const Operation& operation) const {
  std::string peers;
  for (const int peer : operation.missing_peers()) {
    peers += (peers.empty() ? "rank " : ", ") + std::to_string(peer);
  }
  throw Error{
      .code = ErrorCode::deadline_exceeded,
      .where = {},
      .found = "nothing from " + peers + " for " + std::to_string(options_.deadline_seconds) + " seconds",
      .expected = "every rank to make the same call",
      .remedy = "Read the log of " + peers + "; resume the job"};
}

void MessageCommunicator::check_root(std::string_view verb, int root) const {
  if (root < 0 || root >= size()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = place(verb, rank(), size()),
                .found = "root " + std::to_string(root),
                .expected = "a rank from 0 to " + std::to_string(size() - 1),
                .remedy = "Report this: it is a bug"};
  }
}

int MessageCommunicator::next_tag() {
  const int tag = tag_;
  tag_ = (tag_ + 1) % Transport::tag_limit;
  return tag;
}

void MessageCommunicator::complete(std::string_view verb, const MakeOperation& make) {
  guarded(verb, [&] { wait(*make(*transport_, next_tag())); });
}

std::unique_ptr<Request> MessageCommunicator::start(std::string_view verb, const MakeOperation& make) {
  return guarded(verb, [&]() -> std::unique_ptr<Request> {
    return std::make_unique<OperationRequest>(*this, verb, make(*transport_, next_tag()));
  });
}

void MessageCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  check_root("broadcast", root);
  complete("broadcast", [&](Transport& transport, int tag) {
    return std::make_unique<BroadcastOperation>(transport, tag, options_.message_bytes, bytes, root);
  });
}

std::unique_ptr<Request> MessageCommunicator::start_broadcast(std::span<std::byte> bytes, int root) {
  check_root("start_broadcast", root);
  return start("start_broadcast", [&](Transport& transport, int tag) {
    return std::make_unique<BroadcastOperation>(transport, tag, options_.message_bytes, bytes, root);
  });
}

template <typename T>
void MessageCommunicator::sum_over_ranks(std::span<T> values, std::optional<int> root) {
  if (size() == 1) {
    return;
  }
  const std::size_t ranks = static_cast<std::size_t>(size());
  const std::size_t segment_length = options_.message_bytes / sizeof(T);
  const std::size_t block_length = segment_length * ranks;
  const int tag = next_tag();
  std::vector<T> scratch(std::min(segment_length, values.size() / ranks + 1) * (ranks - 1));
  for (std::size_t first = 0; first < values.size(); first += block_length) {
    sum_block(values.subspan(first, std::min(block_length, values.size() - first)), root, tag, scratch);
  }
}

template <typename T>
void MessageCommunicator::sum_block(std::span<T> block, std::optional<int> root, int tag,
                                    std::vector<T>& scratch) {
  const std::span<T> own = rank_segment(block, size(), rank());

  // 1. Rank s gets everyone's part of segment s.
  MessageBatch exchange = start_batch(tag);
  std::vector<const T*> parts;
  T* free_part = scratch.data();
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) {
      parts.push_back(own.data());
      continue;
    }
    exchange.receive(peer, std::as_writable_bytes(std::span(free_part, own.size())));
    exchange.send(peer, std::as_bytes(rank_segment(block, size(), peer)));
    parts.push_back(free_part);
    free_part += own.size();
  }
  wait(exchange);

  // 2. It adds them in rank order.
  sum_in_rank_order<T>(parts, own.size(), own.data());

  // 3. Its sum goes to the root, or to all. The receives overwrite what step 1 sent, which has left by now.
  MessageBatch results = start_batch(tag);
  for (int peer = 0; peer < size(); ++peer) {
    if (peer == rank()) {
      continue;
    }
    if (root.value_or(peer) == peer) {
      results.send(peer, std::as_bytes(own));
    }
    if (root.value_or(rank()) == rank()) {
      results.receive(peer, std::as_writable_bytes(rank_segment(block, size(), peer)));
    }
  }
  wait(results);
}

void MessageCommunicator::reduce_sum(std::span<float> values, int root) {
  check_root("reduce_sum", root);
  guarded("reduce_sum", [&] { sum_over_ranks(values, root); });
}

void MessageCommunicator::reduce_sum(std::span<double> values, int root) {
  check_root("reduce_sum", root);
  guarded("reduce_sum", [&] { sum_over_ranks(values, root); });
}

void MessageCommunicator::all_reduce_sum(std::span<float> values) {
  guarded("all_reduce_sum", [&] { sum_over_ranks(values, std::nullopt); });
}

void MessageCommunicator::all_reduce_sum(std::span<double> values) {
  guarded("all_reduce_sum", [&] { sum_over_ranks(values, std::nullopt); });
}

std::vector<std::vector<std::byte>> MessageCommunicator::gather_messages(std::span<const std::byte> blob,
                                                                         int root) {
  const int tag = next_tag();
  MessageBatch size_messages = start_batch(tag);
  std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size()), blob.size());
  const std::uint64_t own_size = blob.size();
  if (rank() != root) {
    size_messages.send(root, std::as_bytes(std::span(&own_size, 1)));
    size_messages.send(root, blob);
    wait(size_messages);
    return {};
  }
  for (int peer = 0; peer < size(); ++peer) {
    if (peer != root) {
      size_messages.receive(peer,
                            std::as_writable_bytes(std::span(&sizes[static_cast<std::size_t>(peer)], 1)));
    }
  }
  wait(size_messages);

  MessageBatch contents = start_batch(tag);
  std::vector<std::vector<std::byte>> blobs(sizes.size());
  for (int peer = 0; peer < size(); ++peer) {
    auto& destination = blobs[static_cast<std::size_t>(peer)];
    if (peer == root) {
      destination.assign(blob.begin(), blob.end());
    } else {
      destination.resize(sizes[static_cast<std::size_t>(peer)]);
      contents.receive(peer, destination);
    }
  }
  wait(contents);
  return blobs;
}

std::vector<std::vector<std::byte>> MessageCommunicator::gather(std::span<const std::byte> blob, int root) {
  check_root("gather", root);
  return guarded("gather", [&] { return gather_messages(blob, root); });
}

std::vector<std::vector<std::byte>> MessageCommunicator::all_gather(std::span<const std::byte> blob) {
  return guarded("all_gather", [&] {
    constexpr int root = 0;
    const auto gathered = gather_messages(blob, root);
    std::vector<std::uint64_t> sizes(static_cast<std::size_t>(size()));
    std::vector<std::byte> joined;
    for (std::size_t peer = 0; peer < gathered.size(); ++peer) {
      sizes[peer] = gathered[peer].size();
      joined.insert(joined.end(), gathered[peer].begin(), gathered[peer].end());
    }
    BroadcastOperation size_tree(*transport_, next_tag(), options_.message_bytes,
                                 std::as_writable_bytes(std::span(sizes)), root);
    wait(size_tree);
    std::uint64_t total = 0;
    for (const std::uint64_t bytes : sizes) {
      total += bytes;
    }
    joined.resize(total);
    BroadcastOperation content_tree(*transport_, next_tag(), options_.message_bytes, joined, root);
    wait(content_tree);

    std::vector<std::vector<std::byte>> blobs;
    auto position = joined.begin();
    for (const std::uint64_t bytes : sizes) {
      const auto end = position + static_cast<std::ptrdiff_t>(bytes);
      blobs.emplace_back(position, end);
      position = end;
    }
    return blobs;
  });
}

void MessageCommunicator::barrier() {
  guarded("barrier", [&] {
    const int tag = next_tag();
    for (int distance = 1; distance < size(); distance *= 2) {
      MessageBatch round = start_batch(tag);
      round.send_signal((rank() + distance) % size());
      round.receive_signal((rank() - distance + size()) % size());
      wait(round);
    }
  });
}

void MessageCommunicator::abort(const Error& cause) noexcept {
  if (!failure_) {
    failure_ = cause;
  }
  transport_->abort(cause);
}

}  // namespace cce
