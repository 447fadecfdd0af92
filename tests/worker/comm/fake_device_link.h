#pragma once
/// A DeviceLink without a device, for threads of one process. Streams run when somebody looks: an item of a
/// stream is done once its peers' streams have come to theirs, so that ranks wait for each other as kernels
/// do. It checks that its user keeps to the protocol of device_link.h.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/device_span_communicator.h"
#include "worker/comm/device/device_link.h"
#include "worker/comm/messages/rank_order_sum.h"

namespace cce::communicator_suite {

/// Memory that counts as the devices'.
class FakeMemory {
 public:
  std::shared_ptr<std::byte[]> allocate(std::size_t bytes) {
    const std::lock_guard lock(mutex_);
    auto* memory = new std::byte[bytes];
    ranges_[memory] = bytes;
    return {memory, [this](std::byte* data) {
              const std::lock_guard release(mutex_);
              ranges_.erase(data);
              delete[] data;
            }};
  }
  bool holds(const void* data) const {
    const std::lock_guard lock(mutex_);
    const auto* address = static_cast<const std::byte*>(data);
    auto range = ranges_.upper_bound(address);
    return range != ranges_.begin() && address < (--range)->first + range->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<const std::byte*, std::size_t> ranges_;
};

inline SpanMemory span_memory(FakeMemory& memory) {
  return {
      .allocate = [&memory](std::size_t bytes) -> std::shared_ptr<void> { return memory.allocate(bytes); },
      .upload = [](std::span<const std::byte> host,
                   void* device) { std::copy(host.begin(), host.end(), static_cast<std::byte*>(device)); },
      .download =
          [](const void* device, std::span<std::byte> host) {
            std::copy_n(static_cast<const std::byte*>(device), host.size(), host.begin());
          }};
}

/// What goes wrong, and how slow calls are to enqueue themselves.
struct FakeFaults {
  int looks_until_ready = 2;  ///< looks at ready() that say no after every call
  std::optional<int> failing_rank =
      std::nullopt;  ///< its link reports an error instead of being ready after its third call
  std::optional<int> unconnected_rank = std::nullopt;  ///< its link reports an error instead of connecting
  std::optional<int> hanging_rank = std::nullopt;      ///< its stream never moves
};

/// What all ranks' links share; under `mutex`.
struct FakeWorld {
  struct Parcel {
    std::span<const std::byte> bytes;
    bool taken = false;
  };
  struct Item {
    std::vector<DeviceLink::Send> sends;
    std::vector<DeviceLink::Receive> receives;
    bool posted = false;
    std::vector<std::shared_ptr<Parcel>> parcels;
    std::function<void()> run;  ///< instead of messages
  };
  struct Stream {
    std::deque<Item> items;
    std::uint64_t reached = 0;
  };

  FakeWorld(int ranks, FakeMemory& device_memory, const FakeFaults& planned_faults)
      : memory(device_memory), faults(planned_faults), streams(static_cast<std::size_t>(ranks)) {
    calls.resize(streams.size());
  }

  /// Runs all streams as far as they come.
  void run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t rank = 0; rank < streams.size(); ++rank) {
        auto& items = streams[rank].items;
        while (!items.empty() && faults.hanging_rank != static_cast<int>(rank) &&
               finish(static_cast<int>(rank), items.front())) {
          items.pop_front();
          moved = true;
        }
      }
    }
  }

  bool finish(int rank, Item& item) {
    if (item.run) {
      item.run();
      return true;
    }
    if (!item.posted) {
      item.posted = true;
      for (const DeviceLink::Send& send : item.sends) {
        mail[{rank, send.peer}].push_back(
            item.parcels.emplace_back(std::make_shared<Parcel>(Parcel{send.bytes})));
      }
    }
    std::erase_if(item.receives, [&](const DeviceLink::Receive& receive) {
      auto& waiting = mail[{receive.peer, rank}];
      if (waiting.empty()) {
        return false;
      }
      const auto& parcel = waiting.front();
      std::copy_n(parcel->bytes.begin(), std::min(parcel->bytes.size(), receive.bytes.size()),
                  receive.bytes.begin());
      parcel->taken = true;
      waiting.pop_front();
      return true;
    });
    return item.receives.empty() && std::all_of(item.parcels.begin(), item.parcels.end(),
                                                [](const auto& sent) { return sent->taken; });
  }

  std::mutex mutex;
  FakeMemory& memory;
  FakeFaults faults;
  std::vector<Stream> streams;
  std::map<std::pair<int, int>, std::deque<std::shared_ptr<Parcel>>> mail;
  std::vector<std::vector<std::string>> calls;  ///< by rank, in order
  std::set<int> aborted;
};

class FakeLink : public DeviceLink {
 public:
  FakeLink(std::shared_ptr<FakeWorld> world, int rank) : world_(std::move(world)), rank_(rank) {}
  ~FakeLink() override { abort(); }

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(world_->streams.size()); }
  bool holds(const void* data) const override { return world_->memory.holds(data); }

  bool ready() override {
    const std::lock_guard lock(world_->mutex);
    check_alive();
    if (world_->faults.unconnected_rank == rank_ ||
        (world_->faults.failing_rank == rank_ && calls_made_ >= 3)) {
      throw failure("planted failure");
    }
    return looks_left_ == 0 || --looks_left_ == 0;
  }
  void follow_compute() override { note("follow_compute"); }
  void broadcast(std::span<std::byte> bytes, int root) override {
    FakeWorld::Item item;
    if (rank_ == root) {
      for (int peer = 0; peer < size(); ++peer) {
        if (peer != rank_) {
          item.sends.push_back({peer, bytes});
        }
      }
    } else {
      item.receives.push_back({root, bytes});
    }
    put("broadcast " + std::to_string(bytes.size()), std::move(item));
  }
  void exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    FakeWorld::Item item;
    item.sends.assign(sends.begin(), sends.end());
    item.receives.assign(receives.begin(), receives.end());
    put("exchange", std::move(item));
  }
  void add_parts(DType dtype, void* own, const void* others, std::size_t count) override {
    EXPECT_TRUE(holds(own) && holds(others));
    FakeWorld::Item item;
    item.run = [=, this] {
      dtype == DType::f64 ? add(static_cast<double*>(own), static_cast<const double*>(others), count)
                          : add(static_cast<float*>(own), static_cast<const float*>(others), count);
    };
    put("add_parts", std::move(item));
    looks_left_ = 0;  // a kernel is on the stream at once
  }
  std::span<std::byte> scratch(std::size_t bytes) override {
    if (bytes > scratch_bytes_) {
      scratch_ = world_->memory.allocate(bytes);
      scratch_bytes_ = bytes;
    }
    return {scratch_.get(), bytes};
  }
  std::uint64_t record() override {
    FakeWorld::Item item;
    item.run = [this] { ++world_->streams[static_cast<std::size_t>(rank_)].reached; };
    put("record", std::move(item));
    looks_left_ = 0;
    return ++marks_;
  }
  bool reached(std::uint64_t mark) override {
    const std::lock_guard lock(world_->mutex);
    world_->run();
    if (world_->streams[static_cast<std::size_t>(rank_)].reached >= mark) {
      return true;
    }
    check_alive();
    return false;
  }
  /// What the rank has sent vanishes with its memory, and its peers' links fail.
  void abort() noexcept override {
    const std::lock_guard lock(world_->mutex);
    auto& stream = world_->streams[static_cast<std::size_t>(rank_)];
    if (!stream.items.empty()) {
      world_->aborted.insert(rank_);
    }
    stream.items.clear();
    for (auto& [route, parcels] : world_->mail) {
      if (route.first == rank_) {
        parcels.clear();
      }
    }
    gone_ = true;
  }

 private:
  static Error failure(const std::string& found) {
    return {.code = ErrorCode::worker_died, .where = {}, .found = found, .expected = {}, .remedy = {}};
  }
  void check_alive() const {
    EXPECT_FALSE(gone_) << "a link that was aborted is used";
    if (!world_->aborted.empty()) {
      throw failure("remote error");
    }
  }
  void note(const std::string& call) {
    const std::lock_guard lock(world_->mutex);
    world_->calls[static_cast<std::size_t>(rank_)].push_back(call);
  }
  void put(const std::string& call, FakeWorld::Item item) {
    const std::lock_guard lock(world_->mutex);
    EXPECT_FALSE(gone_) << call << " on a link that was aborted";
    EXPECT_EQ(looks_left_, 0) << call << " before the call before it was on the stream";
    for (const Send& send : item.sends) {
      EXPECT_TRUE(send.peer != rank_ && holds(send.bytes.data())) << call;
    }
    for (const Receive& receive : item.receives) {
      EXPECT_TRUE(receive.peer != rank_ && holds(receive.bytes.data())) << call;
    }
    world_->calls[static_cast<std::size_t>(rank_)].push_back(call);
    world_->streams[static_cast<std::size_t>(rank_)].items.push_back(std::move(item));
    looks_left_ = world_->faults.looks_until_ready;
    ++calls_made_;
  }
  template <typename T>
  void add(T* own, const T* others, std::size_t count) const {
    std::vector<const T*> parts;
    for (int peer = 0; peer < size(); ++peer) {
      parts.push_back(peer == rank_ ? own : others);
      others += peer == rank_ ? 0 : count;
    }
    sum_in_rank_order<T>(parts, count, own);
  }

  std::shared_ptr<FakeWorld> world_;
  int rank_;
  int looks_left_ = 2;  ///< of connecting
  int calls_made_ = 0;
  std::uint64_t marks_ = 0;
  bool gone_ = false;
  std::shared_ptr<std::byte[]> scratch_;
  std::size_t scratch_bytes_ = 0;
};

}  // namespace cce::communicator_suite
