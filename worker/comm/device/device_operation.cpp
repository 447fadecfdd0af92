#include "worker/comm/device/device_operation.h"

#include <numeric>
#include <span>
#include <string>
#include <utility>

namespace cce {
namespace {

constexpr auto look_again_after = std::chrono::microseconds(100);

std::string text(const DeviceCall& call) {
  const char* names[] = {"connecting", "broadcast", "a sum of f32", "a sum of f64"};
  return std::string(names[static_cast<std::size_t>(call.verb)]) + " of " + std::to_string(call.bytes) +
         " bytes" + (call.root < 0 ? "" : ", root " + std::to_string(call.root));
}

}  // namespace

bool DeviceQueue::advance() {
  bool issued = false;
  while (!steps_.empty() && link_.ready()) {
    const Step step = std::move(steps_.front());
    steps_.pop_front();
    step(link_);
    issued = true;
  }
  return issued;
}

DeviceOperation::DeviceOperation(Transport& transport, int tag, std::size_t message_bytes,
                                 const DeviceCall& call, DeviceQueue& queue,
                                 std::vector<DeviceQueue::Step> steps, std::chrono::milliseconds patience)
    : rank_(transport.rank()),
      call_(call),
      calls_(static_cast<std::size_t>(transport.size()), call),
      handshake_(transport, tag, message_bytes),
      queue_(queue),
      patience_(patience),
      mark_(std::make_shared<std::optional<std::uint64_t>>()) {
  for (int peer = 0; peer < transport.size(); ++peer) {
    if (peer != rank_) {
      handshake_.receive(peer, std::as_writable_bytes(std::span(&calls_[static_cast<std::size_t>(peer)], 1)));
      handshake_.send(peer, std::as_bytes(std::span(&call_, 1)));
    }
  }
  queue_.push([](DeviceLink& link) { link.follow_compute(); });
  for (DeviceQueue::Step& step : steps) {
    queue_.push(std::move(step));
  }
  queue_.push([mark = mark_](DeviceLink& link) { *mark = link.record(); });
  advance();  // other ranks' parts wait for this one: it starts now, not at the first advance()
}

bool DeviceOperation::advance() {
  bool moved = handshake_.advance();
  if (!agreed_ && handshake_.done()) {
    check_agreement();
    agreed_ = true;
    moved = true;
  }
  return advance_stream() || moved;
}

bool DeviceOperation::advance_stream() {
  if (failure_) {
    if (std::chrono::steady_clock::now() >= throw_failure_at_) {
      throw *failure_;
    }
    return false;
  }
  try {
    const bool issued = queue_.advance();
    if (reached_ || !*mark_ || !queue_.link().reached(**mark_)) {
      return issued;
    }
    reached_ = true;
    return true;
  } catch (const Error& error) {
    failure_ = error;
    throw_failure_at_ = std::chrono::steady_clock::now() + patience_;
    return false;
  }
}

void DeviceOperation::check_agreement() const {
  for (std::size_t peer = 0; peer < calls_.size(); ++peer) {
    if (calls_[peer] != call_) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = {},
                  .found = text(calls_[peer]) + " on rank " + std::to_string(peer),
                  .expected = text(call_),
                  .remedy = "Report this: ranks disagree about one call"};
    }
  }
}

std::vector<int> DeviceOperation::missing_peers() const {
  if (!handshake_.done()) {
    return handshake_.missing_peers();
  }
  std::vector<int> peers(calls_.size());
  std::iota(peers.begin(), peers.end(), 0);
  std::erase(peers, rank_);
  return peers;
}

std::optional<std::chrono::microseconds> DeviceOperation::polling_interval() const {
  return done() ? std::nullopt : std::optional(look_again_after);
}

}  // namespace cce
