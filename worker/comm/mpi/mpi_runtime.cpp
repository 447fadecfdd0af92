#include "worker/comm/mpi/mpi_runtime.h"

#include <mpi.h>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr int worker_died_exit_code = 4;

/// False when some rank did not arrive within the deadline.
bool all_ranks_arrive(double deadline_seconds) {
  MPI_Request arrival = MPI_REQUEST_NULL;
  if (MPI_Ibarrier(MPI_COMM_WORLD, &arrival) != MPI_SUCCESS) {
    return false;
  }
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::duration<double>(deadline_seconds);
  int arrived = 0;
  while (MPI_Test(&arrival, &arrived, MPI_STATUS_IGNORE) == MPI_SUCCESS) {
    if (arrived != 0) {
      return true;
    }
    if (std::chrono::steady_clock::now() >= give_up) {
      return false;
    }
    std::this_thread::yield();
  }
  return false;
}

}  // namespace

MpiRuntime::MpiRuntime(double deadline_seconds)
    : deadline_seconds_(deadline_seconds), exceptions_at_start_(std::uncaught_exceptions()) {
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided);
  if (provided < MPI_THREAD_FUNNELED) {
    MPI_Finalize();
    throw Error{.code = ErrorCode::unsupported,
                .where = "MPI",
                .found = "thread level " + std::to_string(provided),
                .expected = "MPI_THREAD_FUNNELED",
                .remedy = "Use an MPI that is built with threads"};
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
}

MpiRuntime::~MpiRuntime() {
  if (std::uncaught_exceptions() > exceptions_at_start_ || !all_ranks_arrive(deadline_seconds_)) {
    end_all_processes(worker_died_exit_code);
  }
  MPI_Finalize();
}

void MpiRuntime::end_all_processes(int exit_code) noexcept {
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::abort();  // MPI_Abort is not declared noreturn
}

}  // namespace cce
