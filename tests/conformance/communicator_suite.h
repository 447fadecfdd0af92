#pragma once
/// The cases that every Communicator must pass: broadcast, sums, gathers, barrier, deadlines, abort. A new
/// implementation writes a CommunicatorCase and instantiates CommunicatorSuite with it; it adds no test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "tests/conformance/communicator_case.h"
#include "worker/comm/messages/exchange.h"
#include "worker/comm/placement.h"

namespace cce::communicator_suite {

class CommunicatorSuite : public CommunicatorTest {};

TEST_P(CommunicatorSuite, knows_rank_size_and_deadline) {
  run(short_messages, [&](Communicator& comm) {
    EXPECT_EQ(comm.size(), ranks());
    EXPECT_EQ(comm.deadline_seconds(), short_messages.deadline_seconds);
    const std::vector<int> all = all_gather_value(comm, comm.rank());
    ASSERT_EQ(static_cast<int>(all.size()), ranks());
    for (int other = 0; other < ranks(); ++other) {
      EXPECT_EQ(all[static_cast<std::size_t>(other)], other);
    }
  });
}

TEST_P(CommunicatorSuite, the_checker_counts_a_planted_error) {
  std::vector<float> values(100);
  for (std::size_t index = 0; index < values.size(); ++index) {
    values[index] = expected_sum<float>(3, ranks(), index);
  }
  EXPECT_EQ(count_wrong_sums<float>(values, 3, ranks()), 0u);
  values[41] += 1.0f;
  EXPECT_EQ(count_wrong_sums<float>(values, 3, ranks()), 1u);
}

TEST_P(CommunicatorSuite, broadcast_copies_every_roots_bytes) {
  run(short_messages, [&](Communicator& comm) {
    for (const std::size_t length : lengths) {
      for (int root = 0; root < comm.size(); ++root) {
        std::vector<std::byte> bytes = input_bytes(length, comm.rank(), length);
        comm.broadcast(bytes, root);
        EXPECT_EQ(bytes, input_bytes(length, root, length)) << "length " << length << ", root " << root;
      }
    }
  });
}

TEST_P(CommunicatorSuite, broadcasts_under_way_may_be_waited_for_in_any_order) {
  run(short_messages, [&](Communicator& comm) {
    std::vector<std::byte> first = input_bytes(1, comm.rank(), 777);
    std::vector<std::byte> second = input_bytes(2, comm.rank(), 1500);
    const auto first_request = comm.start_broadcast(first, 0);
    const auto second_request = comm.start_broadcast(second, last_rank());
    std::vector<float> values = inputs<float>(5, comm.rank(), 300);
    if (comm.rank() % 2 ==
        0) {  // ranks in the middle of a tree must pass pieces on while they wait for something else
      comm.all_reduce_sum(values);
      second_request->wait();
      first_request->wait();
    } else {
      comm.all_reduce_sum(values);
      first_request->wait();
      second_request->wait();
    }
    EXPECT_EQ(count_wrong_sums<float>(values, 5, comm.size()), 0u);
    EXPECT_EQ(first, input_bytes(1, 0, 777));
    EXPECT_EQ(second, input_bytes(2, last_rank(), 1500));
    EXPECT_TRUE(first_request->test());
  });
}

TEST_P(CommunicatorSuite, a_wait_for_one_call_passes_on_the_pieces_of_another) {
  run(short_messages, [&](Communicator& comm) {
    std::vector<std::byte> bytes = input_bytes(8, comm.rank(), 999);
    const auto request = comm.start_broadcast(bytes, 0);
    if (comm.rank() == 1) {  // the parent of rank 3: waits in the barrier while its child waits for the bytes
      comm.barrier();
      request->wait();
    } else {
      request->wait();
      comm.barrier();
    }
    EXPECT_EQ(bytes, input_bytes(8, 0, 999));
  });
}

TEST_P(CommunicatorSuite, test_alone_completes_a_broadcast) {
  run(short_messages, [&](Communicator& comm) {
    std::vector<std::byte> bytes = input_bytes(9, comm.rank(), 500);
    const auto request = comm.start_broadcast(bytes, 0);
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!request->test() && std::chrono::steady_clock::now() < give_up) {
    }
    EXPECT_TRUE(request->test());
    EXPECT_EQ(bytes, input_bytes(9, 0, 500));
  });
}

template <typename T>
void check_reduce_sum(Communicator& comm, std::size_t length) {
  for (int root = 0; root < comm.size(); ++root) {
    std::vector<T> values = inputs<T>(length, comm.rank(), length);
    comm.reduce_sum(values, root);
    if (comm.rank() == root) {
      EXPECT_EQ(count_wrong_sums<T>(values, length, comm.size()), 0u)
          << "length " << length << ", root " << root;
    }
  }
}

TEST_P(CommunicatorSuite, reduce_sum_is_exact_at_every_root) {
  run(short_messages, [](Communicator& comm) {
    for (const std::size_t length : lengths) {
      check_reduce_sum<float>(comm, length);
      check_reduce_sum<double>(comm, length);
    }
  });
}

template <typename T>
void check_all_reduce_sum(Communicator& comm, std::size_t length) {
  std::vector<T> values = inputs<T>(length, comm.rank(), length);
  comm.all_reduce_sum(values);
  EXPECT_EQ(count_wrong_sums<T>(values, length, comm.size()), 0u) << "length " << length;
}

TEST_P(CommunicatorSuite, all_reduce_sum_is_exact_everywhere) {
  run(short_messages, [](Communicator& comm) {
    for (const std::size_t length : lengths) {
      check_all_reduce_sum<float>(comm, length);
      check_all_reduce_sum<double>(comm, length);
    }
  });
}

TEST_P(CommunicatorSuite, large_arguments_cross_the_default_message_length) {
  run({.deadline_seconds = 20.0}, [](Communicator& comm) {
    const std::size_t length = (std::size_t{5} << 20) / sizeof(float) + 3;
    check_all_reduce_sum<float>(comm, length);
    check_reduce_sum<double>(comm, length / 2);
    std::vector<std::byte> bytes = input_bytes(4, comm.rank(), length);
    comm.broadcast(bytes, 0);
    EXPECT_TRUE(bytes == input_bytes(4, 0, length));
  });
}

/// The sum as the header states it, bit for bit, whatever the length of messages.
template <typename T, typename Bits>
void check_rank_order(Communicator& comm) {
  const std::size_t length = 1500;
  std::vector<T> reduced(length);
  std::vector<Bits> expected(length);
  std::size_t order_matters = 0;
  for (std::size_t index = 0; index < length; ++index) {
    reduced[index] = order_sensitive_input<T>(comm.rank(), index);
    T forward = order_sensitive_input<T>(0, index);
    T backward = order_sensitive_input<T>(comm.size() - 1, index);
    for (int rank = 1; rank < comm.size(); ++rank) {
      forward += order_sensitive_input<T>(rank, index);
      backward += order_sensitive_input<T>(comm.size() - 1 - rank, index);
    }
    expected[index] = std::bit_cast<Bits>(forward);
    order_matters += forward == backward ? 0 : 1;
  }
  EXPECT_TRUE(comm.size() < 3 || order_matters > 0) << "these inputs cannot tell one order from another";
  std::vector<T> everywhere = reduced;
  comm.reduce_sum(reduced, comm.size() - 1);
  comm.all_reduce_sum(everywhere);
  const auto bits_of = [](T value) { return std::bit_cast<Bits>(value); };
  std::vector<Bits> found(length);
  std::transform(everywhere.begin(), everywhere.end(), found.begin(), bits_of);
  EXPECT_EQ(found, expected);
  if (comm.rank() == comm.size() - 1) {
    std::transform(reduced.begin(), reduced.end(), found.begin(), bits_of);
    EXPECT_EQ(found, expected);
  }
}

TEST_P(CommunicatorSuite, sums_are_made_in_rank_order_bit_for_bit) {
  for (const std::size_t message_bytes : {std::size_t{8}, std::size_t{100}, std::size_t{1} << 20}) {
    run({.deadline_seconds = 20.0, .message_bytes = message_bytes}, [](Communicator& comm) {
      check_rank_order<float, std::uint32_t>(comm);
      check_rank_order<double, std::uint64_t>(comm);
    });
  }
}

TEST_P(CommunicatorSuite, gather_brings_blobs_of_any_size_to_every_root) {
  const auto length_of = [](int rank) {
    return static_cast<std::size_t>(rank * 97 % 200);
  };  // rank 0 sends none
  run(short_messages, [&](Communicator& comm) {
    for (int root = 0; root < comm.size(); ++root) {
      const auto blobs = comm.gather(input_bytes(6, comm.rank(), length_of(comm.rank())), root);
      ASSERT_EQ(blobs.size(), comm.rank() == root ? static_cast<std::size_t>(comm.size()) : 0u);
      for (std::size_t peer = 0; peer < blobs.size(); ++peer) {
        const int rank = static_cast<int>(peer);
        EXPECT_EQ(blobs[peer], input_bytes(6, rank, length_of(rank)));
      }
    }
    const auto everywhere = comm.all_gather(input_bytes(7, comm.rank(), length_of(comm.rank())));
    ASSERT_EQ(everywhere.size(), static_cast<std::size_t>(comm.size()));
    for (int rank = 0; rank < comm.size(); ++rank) {
      EXPECT_EQ(everywhere[static_cast<std::size_t>(rank)], input_bytes(7, rank, length_of(rank)));
    }
  });
}

TEST_P(CommunicatorSuite, many_small_calls_keep_their_answers_apart) {
  run(short_messages, [](Communicator& comm) {
    for (std::uint64_t round = 0; round < 100; ++round) {
      std::vector<double> values = inputs<double>(round, comm.rank(), 5);
      comm.all_reduce_sum(values);
      ASSERT_EQ(count_wrong_sums<double>(values, round, comm.size()), 0u);
      comm.barrier();
    }
  });
}

TEST_P(CommunicatorSuite, placement_counts_ranks_on_each_host) {
  run(short_messages, [](Communicator& comm) {
    const Placement here = find_placement(comm, comm.rank() % 2 == 0 ? "even" : "odd, with a longer name");
    EXPECT_EQ(here.hosts, std::min(comm.size(), 2));
    EXPECT_EQ(here.local_rank, comm.rank() / 2);
    EXPECT_EQ(here.local_size, (comm.size() + (comm.rank() % 2 == 0 ? 1 : 0)) / 2);
    EXPECT_EQ(find_placement(comm, "one").hosts, 1);
  });
}

TEST_P(CommunicatorSuite, a_root_that_does_not_exist_is_refused_and_harms_nothing) {
  run(short_messages, [](Communicator& comm) {
    std::vector<double> values(3, 1.0);
    for (const int root : {-1, comm.size()}) {
      const auto error = error_of([&] { comm.reduce_sum(values, root); });
      ASSERT_TRUE(error.has_value());
      EXPECT_EQ(error->code, ErrorCode::invalid_argument);
    }
    comm.all_reduce_sum(values);
    EXPECT_THAT(values, testing::Each(comm.size()));
  });
}

TEST_P(CommunicatorSuite, options_out_of_bounds_are_refused) {
  const CommunicatorOptions refused[] = {{.deadline_seconds = 0.0},
                                         {.deadline_seconds = -1.0},
                                         {.deadline_seconds = std::numeric_limits<double>::quiet_NaN()},
                                         {.deadline_seconds = 1.0, .message_bytes = 7},
                                         {.deadline_seconds = 1.0, .message_bytes = std::size_t{1} << 31}};
  for (const CommunicatorOptions& options : refused) {
    const auto error = error_of([&] { run(options, [](Communicator&) {}); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::out_of_range);
  }
}

/// What a rank calls while the last rank stays away, and which ranks cannot finish it.
struct AbsenceRow {
  const char* verb;
  bool only_rank_0_waits;
  std::function<void(Communicator&)> call;
};

TEST_P(CommunicatorSuite, a_rank_that_never_calls_is_named_after_the_deadline) {
  std::vector<std::vector<float>> floats(static_cast<std::size_t>(ranks()), std::vector<float>(100));
  std::vector<std::vector<double>> doubles(floats.size(), std::vector<double>(100));
  const auto rank_of = [](const Communicator& comm) { return static_cast<std::size_t>(comm.rank()); };
  const AbsenceRow rows[] = {
      {"barrier", true, [](Communicator& comm) { comm.barrier(); }},
      {"all_reduce_sum", false, [&](Communicator& comm) { comm.all_reduce_sum(floats[rank_of(comm)]); }},
      {"reduce_sum", false, [&](Communicator& comm) { comm.reduce_sum(doubles[rank_of(comm)], 0); }},
      {"gather", true, [](Communicator& comm) { comm.gather({}, 0); }},
      {"broadcast", true,
       [&](Communicator& comm) {
         comm.broadcast(std::as_writable_bytes(std::span(floats[rank_of(comm)])), last_rank());
       }},
  };
  if (ranks() == 1) {
    GTEST_SKIP() << "one rank waits for nobody";
  }
  for (const AbsenceRow& row : rows) {
    run(short_deadline, [&](Communicator& comm) {
      if (comm.rank() == last_rank()) {
        return;
      }
      const auto start = std::chrono::steady_clock::now();
      const auto error = error_of([&] { row.call(comm); });
      const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
      EXPECT_LT(waited.count(), 10.0) << row.verb;
      if (comm.rank() == 0 || !row.only_rank_0_waits) {
        ASSERT_TRUE(error.has_value()) << row.verb;
        EXPECT_EQ(error->code, ErrorCode::deadline_exceeded) << row.verb;
        EXPECT_THAT(error->where, testing::HasSubstr(row.verb));
        EXPECT_THAT(error->found, testing::HasSubstr(std::to_string(last_rank()))) << row.verb;
        const auto again = error_of([&] { comm.barrier(); });
        ASSERT_TRUE(again.has_value()) << "a communicator that failed must not be used on";
        EXPECT_EQ(again->where, error->where);
      }
    });
  }
}

TEST_P(CommunicatorSuite, a_rank_that_aborts_ends_the_waits_of_all_with_its_cause) {
  const Error cause{.code = ErrorCode::unreachable_target,
                    .where = "target.remove_params",
                    .found = "0.9",
                    .expected = "at most 0.7",
                    .remedy = "ask for less"};
  run(short_messages, [&](Communicator& comm) {
    const auto start = std::chrono::steady_clock::now();
    if (comm.rank() == last_rank()) {
      comm.abort(cause);
    }
    const auto error = error_of([&] {
      std::vector<double> values(1000);
      comm.all_reduce_sum(values);
      comm.barrier();
    });
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, cause.code);
    const std::string prefix = "rank " + std::to_string(last_rank()) + ": ";
    EXPECT_EQ(error->where, (comm.rank() == last_rank() ? "" : prefix) + cause.where);
    EXPECT_EQ(error->remedy, cause.remedy);
    EXPECT_LT(waited.count(), short_messages.deadline_seconds / 2.0);
  });
}

TEST_P(CommunicatorSuite, ranks_that_disagree_about_a_size_are_told) {
  if (ranks() == 1) {
    GTEST_SKIP() << "one rank agrees with itself";
  }
  for (const std::size_t length : {std::size_t{4}, std::size_t{16}}) {  // less and more than what comes
    run(short_messages, [&](Communicator& comm) {
      std::vector<std::byte> bytes(comm.rank() == 0 ? 8 : length);
      const auto error = error_of([&] { run_or_abort(comm, [&] { comm.broadcast(bytes, 0); }); });
      if (comm.rank() == 1) {
        ASSERT_TRUE(error.has_value());
        EXPECT_EQ(error->code, ErrorCode::shape_mismatch);
        EXPECT_THAT(error->where, testing::HasSubstr("broadcast"));
      }
    });
  }
}

TEST_P(CommunicatorSuite, a_request_dropped_before_it_is_done_gives_the_communicator_up) {
  if (ranks() == 1) {
    GTEST_SKIP() << "a broadcast to nobody is done at once";
  }
  run(short_deadline, [](Communicator& comm) {
    if (comm.rank() == 0) {
      return;  // never sends, so that no other rank can be done
    }
    std::vector<std::byte> bytes(200);
    static_cast<void>(comm.start_broadcast(bytes, 0));
    const auto error = error_of([&] { comm.barrier(); });
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, ErrorCode::worker_died);
  });
}

}  // namespace cce::communicator_suite
