#include "worker/comm/device/device_communicator.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "worker/comm/messages/rank_order_sum.h"

namespace cce {
namespace {

/// Bytes of a message of the handshake: a piece of this length is whole.
constexpr std::size_t handshake_bytes = sizeof(DeviceCall);
/// For the cause that another rank gives: longer than aborting a link takes, which may come first.
constexpr auto longest_patience = std::chrono::milliseconds(8000);

std::chrono::milliseconds patience_of(double deadline_seconds) {
  const std::chrono::duration<double> quarter(deadline_seconds / 4.0);
  return quarter < longest_patience ? std::chrono::duration_cast<std::chrono::milliseconds>(quarter)
                                    : longest_patience;
}

template <typename T>
constexpr DType dtype_of = sizeof(T) == sizeof(double) ? DType::f64 : DType::f32;

/// One block of a sum, as three calls of the link (see the header); the second and third are one step.
template <typename T>
class BlockSum {
 public:
  BlockSum(std::span<T> block, std::optional<int> root, int rank, int ranks)
      : block_(block), root_(root), rank_(rank), ranks_(ranks), own_(rank_segment(block, ranks, rank)) {}

  void gather_parts(DeviceLink& link) const {
    std::vector<DeviceLink::Send> sends;
    std::vector<DeviceLink::Receive> receives;
    std::span<std::byte> free_parts = link.scratch(own_.size_bytes() * static_cast<std::size_t>(ranks_ - 1));
    for_every_peer([&](int peer) {
      sends.push_back({peer, std::as_bytes(rank_segment(block_, ranks_, peer))});
      receives.push_back({peer, free_parts.first(own_.size_bytes())});
      free_parts = free_parts.subspan(own_.size_bytes());
    });
    exchange(link, sends, receives);
  }

  void add_and_deliver(DeviceLink& link) const {
    if (!own_.empty()) {
      const auto parts = link.scratch(own_.size_bytes() * static_cast<std::size_t>(ranks_ - 1));
      link.add_parts(dtype_of<T>, own_.data(), parts.data(), own_.size());
    }
    std::vector<DeviceLink::Send> sends;
    std::vector<DeviceLink::Receive> receives;
    for_every_peer([&](int peer) {
      if (root_.value_or(peer) == peer) {
        sends.push_back({peer, std::as_bytes(own_)});
      }
      if (root_.value_or(rank_) == rank_) {
        receives.push_back({peer, std::as_writable_bytes(rank_segment(block_, ranks_, peer))});
      }
    });
    exchange(link, sends, receives);
  }

 private:
  template <typename Visit>
  void for_every_peer(const Visit& visit) const {
    for (int peer = 0; peer < ranks_; ++peer) {
      if (peer != rank_) {
        visit(peer);
      }
    }
  }

  /// Segments of a short block may be empty: both sides know it, and nothing is sent.
  static void exchange(DeviceLink& link, std::vector<DeviceLink::Send>& sends,
                       std::vector<DeviceLink::Receive>& receives) {
    std::erase_if(sends, [](const auto& send) { return send.bytes.empty(); });
    std::erase_if(receives, [](const auto& receive) { return receive.bytes.empty(); });
    if (!sends.empty() || !receives.empty()) {
      link.exchange(sends, receives);
    }
  }

  std::span<T> block_;
  std::optional<int> root_;
  int rank_;
  int ranks_;
  std::span<T> own_;
};

}  // namespace

class DeviceCommunicator::DeviceRequest : public Request {
 public:
  DeviceRequest(DeviceCommunicator& communicator, std::unique_ptr<Request> request)
      : communicator_(communicator), request_(std::move(request)) {}
  ~DeviceRequest() override {
    if (!done_) {
      communicator_.give_link_up();  // before the caller reuses the memory that the stream writes to
    }
  }
  bool test() override {
    return done_ = done_ || communicator_.guarded([this] { return request_->test(); });
  }
  void wait() override {
    communicator_.guarded([this] { request_->wait(); });
    done_ = true;
  }

 private:
  DeviceCommunicator& communicator_;
  std::unique_ptr<Request> request_;
  bool done_ = false;
};

DeviceCommunicator::DeviceCommunicator(std::unique_ptr<MessageCommunicator> host,
                                       std::unique_ptr<DeviceLink> link, std::size_t piece_bytes)
    : host_(std::move(host)), link_(std::move(link)), queue_(*link_), piece_bytes_(piece_bytes) {
  if (size() > 1) {
    run_or_abort(*host_, [&] { guarded([&] { host_->complete("connect", operation(DeviceCall{}, {})); }); });
  }
}

DeviceCommunicator::~DeviceCommunicator() = default;

void DeviceCommunicator::give_link_up() noexcept {
  if (!link_given_up_) {
    link_given_up_ = true;
    queue_.clear();
    link_->abort();
  }
}

/// Runs a verb of the host's. Any error ends the link too, except that of a root that does not exist.
template <typename Body>
std::invoke_result_t<Body> DeviceCommunicator::guarded(Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code != ErrorCode::invalid_argument) {
      give_link_up();
    }
    throw;
  } catch (...) {
    give_link_up();
    throw;
  }
}

bool DeviceCommunicator::on_device(std::span<const std::byte> bytes) const {
  return size() > 1 && !bytes.empty() && link_->holds(bytes.data());
}

MessageCommunicator::MakeOperation DeviceCommunicator::operation(const DeviceCall& call,
                                                                 std::vector<DeviceQueue::Step> steps) {
  return [this, call, steps = std::move(steps)](Transport& transport, int tag) {
    if (link_given_up_) {
      throw Error{.code = ErrorCode::worker_died,
                  .where = {},
                  .found = "a connection that was given up",
                  .expected = "no call after a failure",
                  .remedy = "Read the error that came before this one"};
    }
    return std::make_unique<DeviceOperation>(transport, tag, handshake_bytes, call, queue_, steps,
                                             patience_of(deadline_seconds()));
  };
}

std::vector<DeviceQueue::Step> DeviceCommunicator::broadcast_steps(std::span<std::byte> bytes,
                                                                   int root) const {
  return {[bytes, root](DeviceLink& link) { link.broadcast(bytes, root); }};
}

void DeviceCommunicator::broadcast(std::span<std::byte> bytes, int root) {
  host_->check_root("broadcast", root);
  guarded([&] {
    if (!on_device(bytes)) {
      host_->broadcast(bytes, root);
      return;
    }
    host_->complete("broadcast",
                    operation({DeviceVerb::broadcast, root, bytes.size()}, broadcast_steps(bytes, root)));
  });
}

std::unique_ptr<Request> DeviceCommunicator::start_broadcast(std::span<std::byte> bytes, int root) {
  host_->check_root("start_broadcast", root);
  return guarded([&]() -> std::unique_ptr<Request> {
    if (!on_device(bytes)) {
      return host_->start_broadcast(bytes, root);
    }
    const DeviceCall call{DeviceVerb::broadcast, root, bytes.size()};
    return std::make_unique<DeviceRequest>(
        *this, host_->start("start_broadcast", operation(call, broadcast_steps(bytes, root))));
  });
}

template <typename T>
std::vector<DeviceQueue::Step> DeviceCommunicator::sum_steps(std::span<T> values,
                                                             std::optional<int> root) const {
  const std::size_t block_length = piece_bytes_ / sizeof(T) * static_cast<std::size_t>(size());
  std::vector<DeviceQueue::Step> steps;
  for (std::size_t first = 0; first < values.size(); first += block_length) {
    const BlockSum<T> block(values.subspan(first, std::min(block_length, values.size() - first)), root,
                            rank(), size());
    steps.push_back([block](DeviceLink& link) { block.gather_parts(link); });
    steps.push_back([block](DeviceLink& link) { block.add_and_deliver(link); });
  }
  return steps;
}

template <typename T>
void DeviceCommunicator::sum_over_ranks(std::string_view verb, std::span<T> values, std::optional<int> root) {
  const DeviceCall call{dtype_of<T> == DType::f64 ? DeviceVerb::reduce_sum_f64 : DeviceVerb::reduce_sum_f32,
                        root.value_or(-1), values.size_bytes()};
  host_->complete(verb, operation(call, sum_steps(values, root)));
}

void DeviceCommunicator::reduce_sum(std::span<float> values, int root) {
  host_->check_root("reduce_sum", root);
  guarded([&] {
    on_device(std::as_bytes(values)) ? sum_over_ranks("reduce_sum", values, root)
                                     : host_->reduce_sum(values, root);
  });
}

void DeviceCommunicator::reduce_sum(std::span<double> values, int root) {
  host_->check_root("reduce_sum", root);
  guarded([&] {
    on_device(std::as_bytes(values)) ? sum_over_ranks("reduce_sum", values, root)
                                     : host_->reduce_sum(values, root);
  });
}

void DeviceCommunicator::all_reduce_sum(std::span<float> values) {
  guarded([&] {
    on_device(std::as_bytes(values)) ? sum_over_ranks("all_reduce_sum", values, std::nullopt)
                                     : host_->all_reduce_sum(values);
  });
}

void DeviceCommunicator::all_reduce_sum(std::span<double> values) {
  guarded([&] {
    on_device(std::as_bytes(values)) ? sum_over_ranks("all_reduce_sum", values, std::nullopt)
                                     : host_->all_reduce_sum(values);
  });
}

std::vector<std::vector<std::byte>> DeviceCommunicator::gather(std::span<const std::byte> blob, int root) {
  host_->check_root("gather", root);
  return guarded([&] { return host_->gather(blob, root); });
}

std::vector<std::vector<std::byte>> DeviceCommunicator::all_gather(std::span<const std::byte> blob) {
  return guarded([&] { return host_->all_gather(blob); });
}

void DeviceCommunicator::barrier() {
  guarded([&] { host_->barrier(); });
}

/// The cause is sent first: other ranks' links fail once this one is aborted.
void DeviceCommunicator::abort(const Error& cause) noexcept {
  host_->abort(cause);
  give_link_up();
}

}  // namespace cce
