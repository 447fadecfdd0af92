// DeviceCommunicator over threads of this process and a link without a device: the suites of every
// communicator with all spans in device memory, then what only a link can do wrong.
#include "worker/comm/device/device_communicator.h"

#include <barrier>
#include <exception>
#include <thread>

#include "tests/conformance/communicator_suite.h"
#include "tests/conformance/device_span_communicator.h"
#include "tests/worker/comm/fake_device_link.h"
#include "tests/worker/passes/layer_stream_suite.h"
#include "worker/comm/local/local_communicator.h"

namespace cce::communicator_suite {
namespace {

/// Connecting counts against the deadline too, and threads may start late on a busy machine.
constexpr double shortest_deadline_seconds = 0.6;

using LinkedBody = std::function<void(DeviceCommunicator&, FakeWorld&)>;

void report_errors(int rank, const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    ADD_FAILURE() << "rank " << rank << ": " << describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << rank << ": " << error.what();
  }
}

/// Runs a body on every rank of a world of links; errors that the body lets through are failures.
std::shared_ptr<FakeWorld> run_linked(int ranks, CommunicatorOptions options, const FakeFaults& faults,
                                      FakeMemory& memory, const LinkedBody& body) {
  check_options(options);
  options.deadline_seconds = std::max(options.deadline_seconds, shortest_deadline_seconds);
  auto hosts = make_local_communicators(ranks, options);
  const auto world = std::make_shared<FakeWorld>(ranks, memory, faults);
  std::barrier<> all_here(ranks);
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      all_here.arrive_and_wait();
      std::optional<DeviceCommunicator> communicator;
      const auto error = error_of([&] {
        communicator.emplace(std::move(hosts[static_cast<std::size_t>(rank)]),
                             std::make_unique<FakeLink>(world, rank), options.message_bytes);
      });
      all_here.arrive_and_wait();  // what a body does wrong must not meet a rank that still connects
      EXPECT_FALSE(error.has_value()) << "rank " << rank << ": " << describe(*error);
      if (communicator) {
        report_errors(rank, [&] { run_or_abort(*communicator, [&] { body(*communicator, *world); }); });
      }
    });
  }
  threads.clear();
  return world;
}

CommunicatorCase device_case(int ranks) {
  return {.name = "device_" + std::to_string(ranks),
          .ranks = ranks,
          .run = [ranks](const CommunicatorOptions& options, const RankBody& body) {
            FakeMemory memory;
            run_linked(ranks, options, {}, memory, [&](DeviceCommunicator& linked, FakeWorld& world) {
              const SpanMemory spans = span_memory(world.memory);
              DeviceSpanCommunicator communicator(linked, spans);
              body(communicator);
            });
          }};
}

/// Spans in host memory pass the link by.
CommunicatorCase host_span_case(int ranks) {
  return {.name = "host_spans_" + std::to_string(ranks),
          .ranks = ranks,
          .run = [ranks](const CommunicatorOptions& options, const RankBody& body) {
            FakeMemory memory;
            run_linked(ranks, options, {}, memory,
                       [&](DeviceCommunicator& linked, FakeWorld&) { body(linked); });
          }};
}

INSTANTIATE_TEST_SUITE_P(Device, CommunicatorSuite,
                         testing::Values(device_case(1), device_case(2), device_case(4), host_span_case(3)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Device, LayerStreamSuite, testing::Values(device_case(1), device_case(4)),
                         case_name);

/// A span of device memory for a test's own use.
struct DeviceSpan {
  DeviceSpan(FakeMemory& memory, std::size_t bytes) : owner(memory.allocate(bytes)), size(bytes) {
    std::fill_n(owner.get(), bytes, std::byte{0});
  }
  std::span<std::byte> bytes() const { return {owner.get(), size}; }
  std::span<double> doubles() const {
    return {reinterpret_cast<double*>(owner.get()), size / sizeof(double)};
  }
  std::shared_ptr<std::byte[]> owner;
  std::size_t size;
};

constexpr CommunicatorOptions patient{.deadline_seconds = 20.0, .message_bytes = 64};

TEST(DeviceCommunicator, every_rank_issues_the_same_calls_in_the_same_order) {
  for (const int looks : {0, 1, 7}) {
    FakeMemory memory;
    const auto world = run_linked(
        3, patient, {.looks_until_ready = looks}, memory, [](DeviceCommunicator& comm, FakeWorld& fakes) {
          const DeviceSpan first(fakes.memory, 500), second(fakes.memory, 40), sums(fakes.memory, 800);
          const auto request = comm.start_broadcast(first.bytes(), 0);
          const auto other_request = comm.start_broadcast(second.bytes(), 2);
          comm.all_reduce_sum(sums.doubles());
          (comm.rank() == 1 ? other_request : request)->wait();
          (comm.rank() == 1 ? request : other_request)->wait();
        });
    EXPECT_EQ(world->calls[0], world->calls[1]);
    EXPECT_EQ(world->calls[0], world->calls[2]);
    const std::vector<std::string> start = {
        "follow_compute", "record", "follow_compute", "broadcast 500", "record",    "follow_compute",
        "broadcast 40",   "record", "follow_compute", "exchange",      "add_parts", "exchange"};
    ASSERT_GE(world->calls[0].size(), start.size());
    EXPECT_EQ(std::vector(world->calls[0].begin(),
                          world->calls[0].begin() + static_cast<std::ptrdiff_t>(start.size())),
              start);
  }
}

TEST(DeviceCommunicator, a_broadcast_is_issued_where_it_is_started) {
  FakeMemory memory;
  run_linked(2, patient, {.looks_until_ready = 0}, memory, [](DeviceCommunicator& comm, FakeWorld& fakes) {
    const DeviceSpan bytes(fakes.memory, 100);
    const auto request = comm.start_broadcast(bytes.bytes(), 0);
    // No look at the request: the stream alone must bring the bytes.
    EXPECT_NO_THROW(comm.barrier());
    request->wait();
  });
}

TEST(DeviceCommunicator, a_failing_link_ends_all_ranks_with_what_it_said) {
  FakeMemory memory;
  run_linked(3, patient, {.failing_rank = 1}, memory, [](DeviceCommunicator& comm, FakeWorld& fakes) {
    const DeviceSpan sums(fakes.memory, 4000);
    const auto start = std::chrono::steady_clock::now();
    const auto error = error_of([&] { run_or_abort(comm, [&] { comm.reduce_sum(sums.doubles(), 0); }); });
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    EXPECT_LT(waited.count(), patient.deadline_seconds / 2.0);
    if (comm.rank() == 1) {
      ASSERT_TRUE(error.has_value());
      EXPECT_EQ(error->found, "planted failure");
    }
    if (error) {  // a rank whose part was done before the failure may not notice it in this verb
      EXPECT_EQ(error->code, ErrorCode::worker_died);
      EXPECT_EQ(error->found, "planted failure") << "rank " << comm.rank();
    }
    EXPECT_TRUE(error_of([&] { comm.barrier(); }).has_value());
  });
}

TEST(DeviceCommunicator, a_stream_that_hangs_ends_at_the_deadline_and_is_aborted) {
  FakeMemory memory;
  const auto world = run_linked(
      2, {.deadline_seconds = 0.6, .message_bytes = 64}, {}, memory,
      [](DeviceCommunicator& comm, FakeWorld& fakes) {
        const DeviceSpan bytes(fakes.memory, 100);
        {
          const std::lock_guard lock(fakes.mutex);
          fakes.faults.hanging_rank = 1;  // it says what it calls, and its stream never comes to it
        }
        const auto error = error_of([&] { comm.broadcast(bytes.bytes(), 0); });
        ASSERT_TRUE(error.has_value());
        // Whoever is first at the deadline ends the other's link.
        EXPECT_TRUE(error->code == ErrorCode::deadline_exceeded || error->found == "remote error")
            << describe(*error);
        EXPECT_THAT(error->where, testing::HasSubstr("broadcast"));
      });
  EXPECT_FALSE(world->aborted.empty());
}

TEST(DeviceCommunicator, a_rank_that_never_connects_is_named) {
  FakeMemory memory;
  auto hosts = make_local_communicators(2, {.deadline_seconds = 0.3});
  const auto world = std::make_shared<FakeWorld>(2, memory, FakeFaults{});
  const auto error =
      error_of([&] { DeviceCommunicator(std::move(hosts[0]), std::make_unique<FakeLink>(world, 0), 64); });
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, ErrorCode::deadline_exceeded);
  EXPECT_THAT(error->where, testing::HasSubstr("connect"));
  EXPECT_THAT(error->found, testing::HasSubstr("rank 1"));
}

TEST(DeviceCommunicator, a_link_that_cannot_connect_ends_all_ranks) {
  FakeMemory memory;
  auto hosts = make_local_communicators(2, patient);
  const auto world = std::make_shared<FakeWorld>(2, memory, FakeFaults{.unconnected_rank = 1});
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      auto& host = hosts[static_cast<std::size_t>(rank)];
      const auto error = error_of([&] {
        DeviceCommunicator linked(std::move(host), std::make_unique<FakeLink>(world, rank), 64);
        linked.barrier();  // a rank that is connected already is told here
      });
      ASSERT_TRUE(error.has_value());
      EXPECT_EQ(error->found, "planted failure") << "rank " << rank;
    });
  }
  threads.clear();
  const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
  EXPECT_LT(waited.count(), patient.deadline_seconds / 2.0);
}

TEST(DeviceCommunicator, ranks_that_call_different_verbs_are_told) {
  FakeMemory memory;
  run_linked(2, patient, {}, memory, [](DeviceCommunicator& comm, FakeWorld& fakes) {
    const DeviceSpan values(fakes.memory, 64);
    const auto error = error_of([&] {
      run_or_abort(comm, [&] {
        comm.rank() == 0 ? comm.broadcast(values.bytes(), 0) : comm.all_reduce_sum(values.doubles());
      });
    });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::shape_mismatch);
    EXPECT_THAT(error->found, testing::AnyOf(testing::HasSubstr("broadcast"), testing::HasSubstr("sum")));
  });
}

TEST(DeviceCommunicator, a_root_that_does_not_exist_leaves_the_link_alone) {
  FakeMemory memory;
  const auto world = run_linked(2, patient, {}, memory, [](DeviceCommunicator& comm, FakeWorld& fakes) {
    const DeviceSpan values(fakes.memory, 64);
    EXPECT_EQ(error_of([&] { comm.broadcast(values.bytes(), 2); }).value().code, ErrorCode::invalid_argument);
    comm.all_reduce_sum(values.doubles());
  });
  EXPECT_TRUE(world->aborted.empty());
}

TEST(DeviceCommunicator, a_dropped_request_gives_its_link_up_at_once) {
  FakeMemory memory;
  const auto world =
      run_linked(2, {.deadline_seconds = 0.6, .message_bytes = 64}, {}, memory,
                 [](DeviceCommunicator& comm, FakeWorld& fakes) {
                   if (comm.rank() == 1) {
                     const DeviceSpan bytes(fakes.memory, 100);
                     static_cast<void>(comm.start_broadcast(bytes.bytes(), 0));
                     EXPECT_EQ(error_of([&] { comm.barrier(); }).value().code, ErrorCode::worker_died);
                   }
                 });
  EXPECT_TRUE(world->aborted.contains(1));
}

}  // namespace
}  // namespace cce::communicator_suite
