#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "worker/comm/nccl/nccl_communicator.h"
#include "worker/comm/nccl/nccl_memory.h"
#include "worker/comm/nccl/nccl_rank_order_sum.h"
#include "worker/tensor/cuda/cuda_backend.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_handles.h"

namespace cce {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto abort_patience = std::chrono::seconds(5);
constexpr auto finalize_patience = std::chrono::seconds(10);

/// A call of a non-blocking communicator that is still in progress has not failed.
void check_nccl(ncclResult_t result, const char* call, ncclComm_t comm) {
  if (result == ncclSuccess || result == ncclInProgress) {
    return;
  }
  const char* details = ncclGetLastError(comm);
  const bool remote = result == ncclRemoteError;
  throw Error{.code = ErrorCode::worker_died,
              .where = {},
              .found = std::string(call) + ": " + ncclGetErrorString(result) +
                       (details != nullptr && *details != '\0' ? std::string(", ") + details : ""),
              .expected = remote ? "every rank to live" : "a GPU and a network that work",
              .remedy =
                  "Read the logs of all ranks, with NCCL_DEBUG=WARN set if they say too little; resume "
                  "the job"};
}

/// Calls in one order on one communicator and one stream, as NCCL requires of ranks that must not deadlock.
class NcclLink final : public DeviceLink {
 public:
  NcclLink(Communicator& host, CudaBackend& backend)
      : rank_(host.rank()), size_(host.size()), backend_(backend) {
    ncclUniqueId identifier{};
    if (rank_ == 0) {
      check_nccl(ncclGetUniqueId(&identifier), "ncclGetUniqueId", nullptr);
    }
    host.broadcast(std::as_writable_bytes(std::span(&identifier, 1)), 0);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    const ncclResult_t started = ncclCommInitRankConfig(&comm_, size_, identifier, rank_, &config);
    if (started != ncclSuccess && started != ncclInProgress) {
      abort();
    }
    check_nccl(started, "ncclCommInitRankConfig", nullptr);
  }

  ~NcclLink() override {
    if (comm_ != nullptr && !(came_to_rest() && finalize())) {
      abort();
    }
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  bool holds(const void* data) const override { return is_gpu_memory(data); }
  bool ready() override { return state("ncclCommGetAsyncError") == ncclSuccess; }

  void follow_compute() override {
    computed_.record(backend_.stream());
    computed_.hold_back(stream_);
  }

  void broadcast(std::span<std::byte> bytes, int root) override {
    check_nccl(ncclBroadcast(bytes.data(), bytes.data(), bytes.size(), ncclUint8, root, comm_, stream_.get()),
               "ncclBroadcast", comm_);
  }

  void exchange(std::span<const Send> sends, std::span<const Receive> receives) override {
    check_nccl(ncclGroupStart(), "ncclGroupStart", comm_);
    ncclResult_t first_failure = ncclSuccess;
    const auto note = [&](ncclResult_t result) {
      if (first_failure == ncclSuccess && result != ncclInProgress) {
        first_failure = result;
      }
    };
    for (const Send& send : sends) {
      note(ncclSend(send.bytes.data(), send.bytes.size(), ncclUint8, send.peer, comm_, stream_.get()));
    }
    for (const Receive& receive : receives) {
      note(ncclRecv(receive.bytes.data(), receive.bytes.size(), ncclUint8, receive.peer, comm_,
                    stream_.get()));
    }
    const ncclResult_t ended = ncclGroupEnd();  // a group that was started must be ended, whatever failed
    check_nccl(first_failure, "ncclSend and ncclRecv", comm_);
    check_nccl(ended, "ncclGroupEnd", comm_);
  }

  void add_parts(DType dtype, void* own, const void* others, std::size_t count) override {
    queue_rank_order_sum(stream_, dtype, own, others, count, rank_, size_);
  }

  /// New memory may be what a queued computation has just given back: the stream waits for that as well.
  std::span<std::byte> scratch(std::size_t bytes) override {
    if (scratch_.bytes() < bytes) {
      scratch_ = Buffer();
      scratch_ = backend_.allocate(bytes);
      follow_compute();
    }
    return {static_cast<std::byte*>(scratch_.data()), bytes};
  }

  std::uint64_t record() override {
    if (free_events_.empty()) {
      free_events_.push_back(std::make_unique<CudaEvent>());
    }
    std::unique_ptr<CudaEvent> event = std::move(free_events_.back());
    free_events_.pop_back();
    event->record(stream_);
    marks_.push_back(std::move(event));
    return marks_reached_ + marks_.size();
  }

  bool reached(std::uint64_t mark) override {
    while (!marks_.empty() && marks_.front()->reached()) {
      free_events_.push_back(std::move(marks_.front()));
      marks_.pop_front();
      ++marks_reached_;
    }
    if (marks_reached_ >= mark) {
      return true;
    }
    state("ncclCommGetAsyncError");  // throws what went wrong on the network meanwhile
    return false;
  }

  /// In a thread of its own, which is abandoned after abort_patience: the driver may hang.
  void abort() noexcept override {
    const ncclComm_t comm = std::exchange(comm_, nullptr);
    if (comm == nullptr) {
      return;
    }
    try {
      std::promise<void> done;
      const std::future<void> ended = done.get_future();
      std::thread([comm, device = backend_.device_index(), done = std::move(done)]() mutable {
        cudaSetDevice(device);
        ncclCommAbort(comm);
        done.set_value();
      }).detach();
      ended.wait_for(abort_patience);
    } catch (...) {  // no memory for a thread: the kernels end with the process
    }
  }

 private:
  ncclResult_t state(const char* call) const {
    ncclResult_t state = ncclInternalError;
    check_nccl(ncclCommGetAsyncError(comm_, &state), call, comm_);
    check_nccl(state, call, comm_);
    return state;
  }

  /// Whether nothing is under way any more: a link is destroyed after its verbs, or after an error.
  bool came_to_rest() noexcept {
    try {
      return marks_.empty() || reached(marks_reached_ + marks_.size());
    } catch (const Error&) {
      return false;
    }
  }

  bool finalize() noexcept {
    const auto give_up = Clock::now() + finalize_patience;
    ncclResult_t result = ncclCommFinalize(comm_);
    while (result == ncclInProgress && Clock::now() < give_up) {
      std::this_thread::yield();
      if (ncclCommGetAsyncError(comm_, &result) != ncclSuccess) {
        return false;
      }
    }
    if (result != ncclSuccess) {
      return false;
    }
    ncclCommDestroy(std::exchange(comm_, nullptr));
    return true;
  }

  int rank_;
  int size_;
  CudaBackend& backend_;
  CudaStream stream_;
  CudaEvent computed_;
  Buffer scratch_;
  std::deque<std::unique_ptr<CudaEvent>> marks_;  ///< not reached, in order
  std::uint64_t marks_reached_ = 0;
  std::vector<std::unique_ptr<CudaEvent>> free_events_;
  ncclComm_t comm_ = nullptr;
};

}  // namespace

RankDevice nccl_device(const Backend& backend) {
  RankDevice device;
  if (const auto* cuda = dynamic_cast<const CudaBackend*>(&backend)) {
    device.present = true;
    check_cuda(cudaDeviceGetPCIBusId(device.bus_identifier.data(),
                                     static_cast<int>(device.bus_identifier.size()), cuda->device_index()),
               "name of the GPU");
    int version = 0;
    check_nccl(ncclGetVersion(&version), "ncclGetVersion", nullptr);
    device.nccl_version = version;
  }
  return device;
}

std::unique_ptr<DeviceLink> make_nccl_link(Communicator& host, Backend& backend) {
  auto* cuda = dynamic_cast<CudaBackend*>(&backend);
  if (cuda == nullptr) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "make_nccl_link",
                .found = std::string(backend.device()),
                .expected = "a backend on a GPU",
                .remedy = "Report this: it is a bug"};
  }
  return std::make_unique<NcclLink>(host, *cuda);
}

}  // namespace cce
