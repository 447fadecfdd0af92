#include "worker/run_worker.h"

#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "common/error.h"
#include "common/job_dir.h"
#include "common/job_event.h"
#include "worker/comm/mpi_communicator.h"
#include "worker/comm/mpi_runtime.h"
#include "worker/comm/placement.h"
#include "worker/pipeline.h"
#include "worker/stages/stage_context.h"

namespace cce {
namespace {

/// Longest stretch that one rank may work while the others wait for it.
constexpr double deadline_seconds = 1800.0;

DType compute_dtype_of(const ResourceSettings& resources, const Backend& backend) {
  const bool narrow =
      resources.precision == "bf16" || (resources.precision == "auto" && backend.has_fast_bf16());
  return narrow ? DType::bf16 : DType::f32;
}

class WorkerRun {
 public:
  WorkerRun(const MpiRuntime& runtime, const std::string& job_folder, std::int64_t attempt, int threads)
      : rank_(runtime.rank()), attempt_(attempt), threads_(threads), job_(JobDir::open(files_, job_folder)) {
    if (rank_ == 0) {
      lock_.emplace(job_.take_lock(attempt));
      job_.recover();
      events_.emplace(files_, job_.events_path());
    }
  }

  void run(Communicator& communicator) {
    report_start(communicator);
    const JobSpec spec = job_.read_spec();
    const Partition partition = job_.read_partition();
    const Checkpoint checkpoint = Checkpoint::open(files_, spec.model);
    const std::unique_ptr<Backend> backend = make_cpu_backend(threads_);
    Reporter reporter(job_, communicator, events_ ? &*events_ : nullptr);
    const bool one_host = find_placement(communicator, host_name()).hosts == 1;
    StageContext context{spec,
                         partition,
                         checkpoint,
                         *backend,
                         communicator,
                         files_,
                         job_,
                         reporter,
                         compute_dtype_of(spec.resources, *backend),
                         one_host ? LayerDelivery::mapped : LayerDelivery::broadcast};
    run_pipeline(context);
    JobEvent done;
    done.type = "done";
    write(std::move(done));
  }

  void report(const Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", rank_, describe(error).c_str());
    JobEvent event;
    event.type = error.code == ErrorCode::cancelled ? "cancelled" : "error";
    event.error = error;
    write(std::move(event));
  }

 private:
  /// Once a start: who watches counts starts by it, and learns where the ranks are.
  void report_start(Communicator& communicator) {
    const std::string host = host_name();
    JobEvent event;
    event.type = "started";
    event.metrics = {{"attempt", static_cast<double>(attempt_)},
                     {"ranks", static_cast<double>(communicator.size())},
                     {"threads", static_cast<double>(threads_)}};
    for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(host)))) {
      const std::string name(reinterpret_cast<const char*>(blob.data()), blob.size());
      event.ranks.push_back({.host = name, .device = "cpu", .peak_bytes = 0});
    }
    write(std::move(event));
  }

  void write(JobEvent event) {
    if (events_) {
      events_->append(std::move(event));
    }
  }

  PosixFileSystem files_;
  int rank_;
  std::int64_t attempt_;
  int threads_;
  JobDir job_;
  std::optional<JobLock> lock_;
  std::optional<EventLog> events_;
};

}  // namespace

int run_worker(const std::string& job_folder, std::int64_t attempt, int threads) {
  MpiRuntime runtime(deadline_seconds);
  std::optional<WorkerRun> worker;
  Error failure;
  try {
    worker.emplace(runtime, job_folder, attempt, threads);
    const auto communicator = make_mpi_communicator(runtime, {.deadline_seconds = deadline_seconds});
    run_or_abort(*communicator, [&] { worker->run(*communicator); });
    return 0;
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& error) {
    failure = {.code = ErrorCode::invalid_argument,
               .where = "cce-worker",
               .found = error.what(),
               .expected = "",
               .remedy = "this is a bug: report it with the job directory"};
  }
  if (worker) {
    try {
      worker->report(failure);
    } catch (const Error& second) {  // the disk is full, perhaps: say it where it can still be said
      std::fprintf(stderr, "cce-worker: the event could not be written: %s\n", describe(second).c_str());
    }
  } else {
    std::fprintf(stderr, "cce-worker: %s\n", describe(failure).c_str());
  }
  runtime.end_all_processes(exit_code(failure.code));
}

}  // namespace cce
