// CommunicatorSuite and LayerStreamSuite over threads of this process.
#include "worker/comm/local/local_communicator.h"

#include <exception>
#include <thread>

#include "tests/conformance/communicator_suite.h"
#include "tests/worker/passes/layer_stream_suite.h"

namespace cce::communicator_suite {
namespace {

void run_rank(Communicator& communicator, const RankBody& body) {
  try {
    run_or_abort(communicator, [&] { body(communicator); });
  } catch (const Error& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << error.what();
  }
}

CommunicatorCase local_case(int ranks) {
  return {.name = "local_" + std::to_string(ranks),
          .ranks = ranks,
          .run = [ranks](const CommunicatorOptions& options, const RankBody& body) {
            const auto communicators = make_local_communicators(ranks, options);
            std::vector<std::jthread> threads;
            for (const auto& communicator : communicators) {
              threads.emplace_back([&] { run_rank(*communicator, body); });
            }
          }};
}

INSTANTIATE_TEST_SUITE_P(Local, CommunicatorSuite,
                         testing::Values(local_case(1), local_case(2), local_case(3), local_case(4)),
                         case_name);
INSTANTIATE_TEST_SUITE_P(Local, LayerStreamSuite,
                         testing::Values(local_case(1), local_case(2), local_case(3), local_case(4)),
                         case_name);

TEST(LocalCommunicator, needs_at_least_one_rank) {
  const auto error = error_of([] { make_local_communicators(0, {.deadline_seconds = 1.0}); });
  EXPECT_EQ(error.value().code, ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cce::communicator_suite
