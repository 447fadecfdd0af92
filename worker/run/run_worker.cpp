#include "worker/run/run_worker.h"

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "common/base/error.h"
#include "common/cost/sizes.h"
#include "common/job/job_dir.h"
#include "common/job/job_event.h"
#include "common/job/numerics_record.h"
#include "common/job/rank_errors.h"
#include "common/model/own_head.h"
#include "worker/comm/device/device_route.h"
#include "worker/comm/mpi/mpi_communicator.h"
#include "worker/comm/mpi/mpi_runtime.h"
#include "worker/comm/placement.h"
#include "worker/passes/stage_context.h"
#include "worker/run/pipeline.h"
#include "worker/run/rank_backend.h"
#include "worker/run/rank_numerics.h"

namespace cce {
namespace {

/// Longest stretch that one rank may work while the others wait for it.
constexpr double deadline_seconds = 1800.0;

DType compute_dtype_of(const ResourceSettings& resources, const Backend& backend) {
  const bool narrow = cost::computes_in_bf16(resources.precision, backend.has_fast_bf16());
  return narrow ? DType::bf16 : DType::f32;
}

class WorkerRun {
 public:
  WorkerRun(const MpiRuntime& runtime, const std::string& job_folder, std::int64_t attempt, int threads)
      : rank_(runtime.rank()),
        attempt_(attempt),
        threads_(threads),
        job_(JobDir::open_for_attempt(files_, job_folder, attempt)) {
    if (rank_ == 0) {
      lock_.emplace(job_.take_lock(attempt));
      job_.recover();
      clear_rank_errors(files_, job_.root(), attempt);
      events_.emplace(files_, job_.events_path());
    }
  }

  /// Finds where this rank computes, before anything is read but the job. A collective.
  Backend& prepare(Communicator& communicator) {
    spec_ = read_spec(communicator);
    const ResourceSettings& resources = spec_.resources;
    const ChosenDevice device = choose_rank_device(communicator, host_name(), resources.device);
    report_start(communicator, device.name);
    if (device.refusal) {
      throw *device.refusal;
    }
    device_note_ = device.choice.note;
    backend_ = make_rank_backend(device, resources, threads_);
    check_numerics(communicator, device.choice.cuda ? cuda_libraries(device.choice.index) : cpu_libraries());
    return *backend_;
  }

  /// The job, after prepare().
  void run(Communicator& communicator) {
    const Partition partition = job_.read_partition();
    if (!partition.forecast.empty()) {
      check_forecast(spec_.resources, *backend_,
                     partition.forecast.at(static_cast<std::size_t>(rank_)).peak_bytes);
    }
    const Checkpoint checkpoint = Checkpoint::open(files_, spec_.model);
    Reporter reporter(job_, communicator, events_ ? &*events_ : nullptr, backend_.get());
    // Between GPUs a broadcast is faster than a copy over each one's bus.
    const bool maps = backend_->host_memory() && find_placement(communicator, host_name()).hosts == 1;
    JobTexts texts(files_, spec_, checkpoint.config().vocabulary_size, job_.root() / "tokens",
                   [&](const std::string& sentence) { reporter.warning(sentence); });
    StageContext context{spec_,
                         partition,
                         checkpoint,
                         *backend_,
                         communicator,
                         files_,
                         job_,
                         reporter,
                         texts,
                         compute_dtype_of(spec_.resources, *backend_),
                         maps ? LayerDelivery::mapped : LayerDelivery::broadcast,
                         build_};
    if (!device_note_.empty() && rank_ == 0) {
      reporter.warning(device_note_);
    }
    if (checkpoint.has_own_head() && rank_ == 0) {
      reporter.warning(own_head_warning("model"));
    }
    run_pipeline(context);
    JobEvent done;
    done.kind = EventKind::done;
    write(std::move(done));
  }

  /// Runs this rank's work; what it throws is written down before another rank can hear of it and end this one.
  void recorded(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      try {
        write_rank_error(files_, job_.root(), attempt_, rank_, error);
      } catch (const Error& second) {  // the disk is full, perhaps: the log has it still
        std::fprintf(stderr, "rank %d: its error could not be written: %s\n", rank_,
                     describe(second).c_str());
      }
      throw;
    }
  }

  void report(const Error& error) {
    std::fprintf(stderr, "rank %d: %s\n", rank_, describe(error).c_str());
    JobEvent event;
    event.kind = error.code == ErrorCode::cancelled ? EventKind::cancelled : EventKind::error;
    event.error = error;
    write(std::move(event));
  }

 private:
  /// That the libraries compute right, that all ranks compute alike, and as the work that the job keeps was
  /// computed. A job that only writes finished layers again computes nothing that decides their bytes.
  void check_numerics(Communicator& communicator, const std::vector<NumericLibrary>& libraries) {
    NumericsIdentity identity;
    try {
      identity = find_numerics(files_, *backend_, libraries, threads_,
                               {.bf16 = compute_dtype_of(spec_.resources, *backend_) == DType::bf16,
                                .tf32 = spec_.resources.precision == "tf32"});
    } catch (Error& error) {
      error.where += ", on rank " + std::to_string(rank_) + " (" + host_name() + ")";
      throw;
    }
    compare_ranks(communicator, host_name(), identity);
    build_ = identity.build;
    if (rank_ == 0 && spec_.kind != JobKind::export_result) {
      record_attempt(files_, job_, identity);
    }
  }

  /// A start is reported even where nothing can be read.
  JobSpec read_spec(Communicator& communicator) {
    try {
      return job_.read_spec();
    } catch (const Error&) {
      report_start(communicator, "");
      throw;
    }
  }

  /// Once a start: who watches counts starts by it, and learns where the ranks are.
  void report_start(Communicator& communicator, std::string_view device) {
    const std::string mine = host_name() + "\n" + std::string(device);
    JobEvent event;
    event.kind = EventKind::started;
    event.set(Metric::attempt, static_cast<double>(attempt_));
    event.set(Metric::ranks, static_cast<double>(communicator.size()));
    event.set(Metric::threads, static_cast<double>(threads_));
    for (const auto& blob : communicator.all_gather(std::as_bytes(std::span(mine)))) {
      const std::string text(reinterpret_cast<const char*>(blob.data()), blob.size());
      const std::size_t end = text.find('\n');
      event.ranks.push_back({.host = text.substr(0, end), .device = text.substr(end + 1), .peak_bytes = 0});
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
  JobSpec spec_;
  std::unique_ptr<Backend> backend_;
  std::string device_note_;
  std::string build_;  ///< of every rank's program, after check_numerics
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
    auto host = make_mpi_communicator(runtime, {.deadline_seconds = deadline_seconds});
    Backend* backend = nullptr;
    run_or_abort(*host, [&] { worker->recorded([&] { backend = &worker->prepare(*host); }); });
    const auto communicator = make_backend_communicator(std::move(host), *backend);
    run_or_abort(*communicator, [&] { worker->recorded([&] { worker->run(*communicator); }); });
    return 0;
  } catch (const Error& error) {
    failure = error;
  } catch (const std::exception& error) {
    failure = {.code = ErrorCode::invalid_argument,
               .where = "cce-worker",
               .found = error.what(),
               .expected = "",
               .remedy = "This is a bug: report it with the job directory"};
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
