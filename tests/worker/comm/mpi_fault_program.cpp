// What a worker's main does about errors, with one rank that fails as the first argument says:
//   none | error (throws an Error) | exception (of another kind) | kill (SIGKILL) | leave (ends silently) |
//   hang
// Run under mpirun by mpi_fault_test.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "worker/comm/mpi/mpi_communicator.h"
#include "worker/comm/mpi/mpi_runtime.h"

namespace cce {
namespace {

constexpr double start_and_end_deadline_seconds = 30.0;
constexpr double deadline_seconds = 4.0;

void fail_as_told(const std::string& fault) {
  if (fault == "error") {
    throw Error{.code = ErrorCode::unreachable_target,
                .where = "target.remove_params",
                .found = "0.9",
                .expected = "at most 0.7",
                .remedy = "ask for less"};
  }
  if (fault == "exception") {
    throw std::length_error("a vector too long");
  }
  if (fault == "kill") {
    std::raise(SIGKILL);
  }
  if (fault == "leave") {
    _exit(0);
  }
  while (fault == "hang") {
    pause();
  }
}

void work(Communicator& communicator, const std::string& fault) {
  for (int round = 0; round < 5; ++round) {
    std::vector<double> values(100, 1.0);
    communicator.all_reduce_sum(values);
    if (round == 2 && communicator.rank() == communicator.size() - 1) {
      fail_as_told(fault);
    }
  }
}

int run(const std::string& fault) {
  MpiRuntime runtime(start_and_end_deadline_seconds);
  try {
    const auto communicator = make_mpi_communicator(runtime, {.deadline_seconds = deadline_seconds});
    run_or_abort(*communicator, [&] { work(*communicator, fault); });
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "rank %d ends: %s\n", runtime.rank(), describe(error).c_str());
    runtime.end_all_processes(exit_code(error.code));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rank %d ends: %s\n", runtime.rank(), error.what());
    runtime.end_all_processes(1);
  }
}

}  // namespace
}  // namespace cce

int main(int argc, char** argv) {
  return cce::run(argc > 1 ? argv[1] : "none");
}
