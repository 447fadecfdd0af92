#pragma once
/// What programs share that run suites over MPI: every rank runs all cases in the same order; rank 0 prints,
/// the others print only what fails.
#include <gtest/gtest.h>

#include <cstdio>
#include <exception>

#include "tests/conformance/communicator_case.h"
#include "worker/comm/mpi/mpi_runtime.h"

namespace cce::communicator_suite {

/// Runs a body so that what it throws is a failure of this rank and known to the others.
inline void run_rank(Communicator& communicator, const RankBody& body) {
  try {
    run_or_abort(communicator, [&] { body(communicator); });
  } catch (const Error& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << communicator.rank() << ": " << error.what();
  }
}

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

/// GoogleTest's main for a rank of an MPI program.
inline int run_all_tests(const MpiRuntime& mpi, int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (mpi.rank() != 0) {
    auto& listeners = testing::UnitTest::GetInstance()->listeners();
    delete listeners.Release(listeners.default_result_printer());
    delete listeners.Release(listeners.default_xml_generator());
    listeners.Append(new FailurePrinter(mpi.rank()));
  }
  return RUN_ALL_TESTS();
}

}  // namespace cce::communicator_suite
