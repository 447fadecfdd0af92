#pragma once

namespace cce {

/// MPI from start to end: made once, at the start of main. Only the thread that made it may use communicators
/// over MPI.
///
/// The destructor waits until every rank has ended, at most deadline_seconds, then finalises; when it runs
/// because of an exception, or a rank does not end in time, it ends all processes with exit code 4 (a worker
/// died). MPI itself gives no other way to end ranks that wait for one that is gone. So main does
///   MpiRuntime runtime(deadline_seconds);
///   try {
///     const auto communicator = make_mpi_communicator(runtime, options);
///     run_or_abort(*communicator, work);
///   } catch (const Error& error) {
///     report(error);
///     runtime.end_all_processes(exit_code(error.code));
///   }
class MpiRuntime {
 public:
  /// Errors: unsupported when this MPI cannot serve a process with several threads.
  explicit MpiRuntime(double deadline_seconds);
  MpiRuntime(const MpiRuntime&) = delete;
  MpiRuntime& operator=(const MpiRuntime&) = delete;
  ~MpiRuntime();

  int rank() const { return rank_; }
  int size() const { return size_; }
  double deadline_seconds() const { return deadline_seconds_; }

  /// Ends this process and all others at once. For main, after Communicator::abort has sent the reason.
  [[noreturn]] void end_all_processes(int exit_code) noexcept;

 private:
  double deadline_seconds_;
  int exceptions_at_start_;
  int rank_ = 0;
  int size_ = 1;
};

}  // namespace cce
