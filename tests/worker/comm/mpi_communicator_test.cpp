// CommunicatorSuite and LayerStreamSuite over MPI.
#include "worker/comm/mpi/mpi_communicator.h"

#include "tests/conformance/communicator_suite.h"
#include "tests/worker/comm/mpi_suite_main.h"
#include "tests/worker/passes/layer_stream_suite.h"
#include "worker/comm/mpi/mpi_runtime.h"

namespace cce::communicator_suite {
namespace {

constexpr double runtime_deadline_seconds = 60.0;

/// Set by main while MPI is up: GoogleTest hands test cases nothing else.
const MpiRuntime* runtime = nullptr;

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

}  // namespace
}  // namespace cce::communicator_suite

int main(int argc, char** argv) {
  const cce::MpiRuntime mpi(cce::communicator_suite::runtime_deadline_seconds);
  cce::communicator_suite::runtime = &mpi;
  return cce::communicator_suite::run_all_tests(mpi, argc, argv);
}
