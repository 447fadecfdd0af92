#pragma once
/// LayerStream over every Communicator: order of visits, what is packed when and where, owners, reductions,
/// errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "tests/conformance/communicator_case.h"
#include "worker/passes/layer_stream.h"
#include "worker/tensor/backend.h"

namespace cce::communicator_suite {

class LayerStreamSuite : public CommunicatorTest {
 protected:
  static constexpr std::int64_t layers = 7;
  /// Owners go round, so that neighbours differ.
  Partition partition() const {
    Partition result;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      result.owner.push_back(static_cast<std::int32_t>((layer * 3 + 1) % ranks()));
    }
    result.sequences.resize(static_cast<std::size_t>(ranks()));
    return result;
  }
};

/// Layers of different sizes, one of them empty; writes down what it is asked for.
class RecordingSource : public LayerSource {
 public:
  explicit RecordingSource(std::vector<std::string>& events) : events_(events) {}

  std::size_t packed_bytes(std::int64_t layer) const override {
    return layer == 3 ? 0 : static_cast<std::size_t>(100 + layer * 37);
  }
  void pack(std::int64_t layer, std::span<std::byte> destination) override {
    events_.push_back("pack " + std::to_string(layer));
    aligned_ = aligned_ && reinterpret_cast<std::uintptr_t>(destination.data()) % 64 == 0;
    const auto bytes = expected(layer);
    ASSERT_EQ(destination.size(), bytes.size());
    std::copy(bytes.begin(), bytes.end(), destination.begin());
  }
  std::vector<std::byte> expected(std::int64_t layer) const {
    return input_bytes(static_cast<std::uint64_t>(layer), 0, packed_bytes(layer));
  }
  bool aligned() const { return aligned_; }

 private:
  std::vector<std::string>& events_;
  bool aligned_ = true;
};

/// Host values as the CPU backend sees them.
template <typename T>
Matrix row_of(std::vector<T>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  return {values.data(), std::is_same_v<T, double> ? DType::f64 : DType::f32, 1, count, count};
}

/// What one rank must see when layers `order` are visited: pack(k + 1) before visit(k) where layers are sent,
/// and only on the owner; pack(k) right before visit(k) where nothing is.
inline std::vector<std::string> expected_events(const std::vector<std::int64_t>& order,
                                                const Partition& partition, int rank, bool sends) {
  std::vector<std::string> events;
  const auto pack = [&](std::int64_t layer) {
    if (!sends || partition.owner[static_cast<std::size_t>(layer)] == rank) {
      events.push_back("pack " + std::to_string(layer));
    }
  };
  for (std::size_t index = 0; index < order.size(); ++index) {
    if (index == 0 || !sends) {
      pack(order[index]);
    }
    if (sends && index + 1 < order.size()) {
      pack(order[index + 1]);
    }
    events.push_back("visit " + std::to_string(order[index]));
  }
  return events;
}

TEST_P(LayerStreamSuite, visits_in_order_with_the_owners_weights_one_layer_ahead) {
  for (const LayerDelivery delivery : {LayerDelivery::broadcast, LayerDelivery::mapped}) {
    run(short_messages, [&](Communicator& comm) {
      const Partition owners = partition();
      std::vector<std::string> events;
      RecordingSource source(events);
      const auto backend = make_cpu_backend(1);
      LayerStream stream(comm, *backend, owners, source, delivery);
      const auto visit = [&](const LayerVisit& now) {
        events.push_back("visit " + std::to_string(now.layer));
        EXPECT_EQ(std::vector(now.packed.begin(), now.packed.end()), source.expected(now.layer));
        EXPECT_EQ(now.owner, owners.owner[static_cast<std::size_t>(now.layer)] == comm.rank());
        EXPECT_EQ(now.owner, stream.owns(now.layer));
        stream.progress();
      };
      const bool sends = delivery == LayerDelivery::broadcast && comm.size() > 1;
      stream.forward(0, layers, visit);
      EXPECT_EQ(events, expected_events({0, 1, 2, 3, 4, 5, 6}, owners, comm.rank(), sends));
      events.clear();
      stream.backward(1, layers, visit);
      EXPECT_EQ(events, expected_events({6, 5, 4, 3, 2, 1}, owners, comm.rank(), sends));
      events.clear();
      stream.forward(2, 2, visit);
      EXPECT_THAT(events, testing::IsEmpty());
      EXPECT_TRUE(source.aligned());
    });
  }
}

TEST_P(LayerStreamSuite, statistics_of_a_visit_come_home_to_the_owner) {
  run(short_messages, [&](Communicator& comm) {
    const Partition owners = partition();
    std::vector<std::string> events;
    RecordingSource source(events);
    const auto backend = make_cpu_backend(1);
    LayerStream stream(comm, *backend, owners, source, LayerDelivery::broadcast);
    int owned = 0;
    stream.forward(0, layers, [&](const LayerVisit& now) {
      const auto seed = static_cast<std::uint64_t>(now.layer);
      std::vector<float> gram = inputs<float>(seed, comm.rank(), 123);
      std::vector<double> loss = inputs<double>(seed, comm.rank(), 1);
      stream.reduce_to_owner(now.layer, row_of(gram));
      stream.reduce_to_owner(now.layer, row_of(loss));
      if (now.owner) {
        ++owned;
        EXPECT_EQ(count_wrong_sums<float>(gram, seed, comm.size()), 0u);
        EXPECT_EQ(count_wrong_sums<double>(loss, seed, comm.size()), 0u);
      }
    });
    EXPECT_EQ(owned, std::count(owners.owner.begin(), owners.owner.end(), comm.rank()));
  });
}

TEST_P(LayerStreamSuite, what_a_visit_throws_on_one_rank_ends_all) {
  run(short_messages, [&](Communicator& comm) {
    const Partition owners = partition();
    std::vector<std::string> events;
    RecordingSource source(events);
    const auto start = std::chrono::steady_clock::now();
    const auto error = error_of([&] {
      run_or_abort(comm, [&] {
        const auto backend = make_cpu_backend(1);
        LayerStream stream(comm, *backend, owners, source, LayerDelivery::broadcast);
        stream.forward(0, layers, [&](const LayerVisit& now) {
          if (now.layer == 2 && comm.rank() == last_rank()) {
            throw Error{.code = ErrorCode::not_positive_definite,
                        .where = "layer 2, ffn",
                        .found = "pivot -1",
                        .expected = "a positive pivot",
                        .remedy = "raise lambda"};
          }
          std::vector<double> loss(1, 1.0);
          stream.reduce_to_owner(now.layer, row_of(loss));
        });
        comm.barrier();
      });
    });
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::not_positive_definite);
    EXPECT_THAT(error->where, testing::HasSubstr("layer 2, ffn"));
    EXPECT_LT(waited.count(), short_messages.deadline_seconds / 2.0);
  });
}

TEST_P(LayerStreamSuite, an_exception_of_another_kind_ends_all_too) {
  run(short_messages, [&](Communicator& comm) {
    bool thrown_on = false;
    std::optional<Error> error;
    try {
      error = error_of([&] {
        run_or_abort(comm, [&] {
          if (comm.rank() == last_rank()) {
            throw std::length_error("a vector too long");
          }
          comm.barrier();
        });
      });
    } catch (const std::length_error&) {
      thrown_on = true;
    }
    EXPECT_EQ(thrown_on, comm.rank() == last_rank());
    if (comm.rank() == 0 && last_rank() != 0) {
      ASSERT_TRUE(error.has_value());
      EXPECT_EQ(error->code, ErrorCode::worker_died);
      EXPECT_EQ(error->found, "a vector too long");
    }
  });
}

TEST_P(LayerStreamSuite, partitions_and_ranges_that_do_not_fit_are_refused) {
  run(short_messages, [&](Communicator& comm) {
    std::vector<std::string> events;
    RecordingSource source(events);
    const Partition good = partition();
    Partition other_ranks = good;
    other_ranks.sequences.emplace_back();
    Partition no_such_owner = good;
    no_such_owner.owner[2] = comm.size();
    const auto backend = make_cpu_backend(1);
    const auto build = [&](const Partition& owners) {
      return error_of([&] { LayerStream(comm, *backend, owners, source, LayerDelivery::mapped); });
    };
    EXPECT_EQ(build(other_ranks).value().code, ErrorCode::shape_mismatch);
    EXPECT_EQ(build(no_such_owner).value().code, ErrorCode::out_of_range);
    LayerStream stream(comm, *backend, good, source, LayerDelivery::mapped);
    const std::pair<std::int64_t, std::int64_t> ranges[] = {{-1, 2}, {3, 2}, {0, layers + 1}};
    for (const auto& range : ranges) {
      EXPECT_EQ(
          error_of([&] { stream.forward(range.first, range.second, [](const LayerVisit&) {}); }).value().code,
          ErrorCode::out_of_range);
    }
    EXPECT_EQ(error_of([&] { stream.owner(layers); }).value().code, ErrorCode::out_of_range);
  });
}

}  // namespace cce::communicator_suite
