// CommunicatorSuite and LayerStreamSuite over MPI: every rank runs all cases in the same order; rank 0
// prints, the others print only what fails.
#include "worker/comm/mpi_communicator.h"

#include <cstdio>
#include <exception>

#include "tests/conformance/communicator_suite.h"
#include "tests/worker/comm/layer_stream_suite.h"
#include "worker/comm/mpi_runtime.h"

namespace cce::communicator_suite {
namespace {

constexpr double runtime_deadline_seconds = 60.0;

/// Set by main while MPI is up: GoogleTest hands test cases nothing else.
const MpiRuntime* runtime = nullptr;

void run_rank(Communicator& communicator, const RankBody& body) {
  try {
    run_or_abort(communicator, [&] { body(communicator); });
  } catch (const Error& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << error.what();
  }
}

/// A case ends on all ranks before the next begins: a rank that stays away on purpose stays alive meanwhile.
void run_on_all_ranks(const CommunicatorOptions& options, const RankBody& body) {
  const auto communicator = make_mpi_communicator(*runtime, options);
  run_rank(*communicator, body);
  make_mpi_communicator(*runtime, {.deadline_seconds = runtime_deadline_seconds})->barrier();
}

CommunicatorCase mpi_case() {
  return {
      .name = "mpi_" + std::to_string(runtime->size()), .ranks = runtime->size(), .run = run_on_all_ranks};
}

INSTANTIATE_TEST_SUITE_P(Mpi, CommunicatorSuite, testing::Values(mpi_case()), case_name);
INSTANTIATE_TEST_SUITE_P(Mpi, LayerStreamSuite, testing::Values(mpi_case()), case_name);

class FailurePrinter : public testing::EmptyTestEventListener {
 public:
  explicit FailurePrinter(int rank) : rank_(rank) {}

 private:
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      std::fprintf(stderr, "[rank %d] %s:%d: %s\n", rank_, result.file_name() ? result.file_name() : "?",
                   result.line_number(), result.message());
    }
  }
  int rank_;
};

int run_all(int argc, char** argv) {
  const MpiRuntime mpi(runtime_deadline_seconds);
  runtime = &mpi;
  testing::InitGoogleTest(&argc, argv);
  if (mpi.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailurePrinter(mpi.rank()));
  }
  return RUN_ALL_TESTS();
}

}  // namespace
}  // namespace cce::communicator_suite

int main(int argc, char** argv) {
  return cce::communicator_suite::run_all(argc, argv);
}
