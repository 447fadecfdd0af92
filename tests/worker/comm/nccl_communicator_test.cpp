// CommunicatorSuite and LayerStreamSuite with all spans in GPU memory, as a worker's ranks would talk: over
// NCCL where every rank has a GPU of its own, else staged through the host. Exits with 77 and says why where
// there is no GPU.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "tests/conformance/communicator_suite.h"
#include "tests/conformance/device_span_communicator.h"
#include "tests/worker/comm/mpi_suite_main.h"
#include "tests/worker/passes/layer_stream_suite.h"
#include "worker/comm/device/device_route.h"
#include "worker/comm/mpi/mpi_communicator.h"
#include "worker/comm/mpi/mpi_runtime.h"
#include "worker/comm/nccl/nccl_communicator.h"
#include "worker/tensor/cuda/cuda_device.h"

namespace cce::communicator_suite {
namespace {

constexpr double runtime_deadline_seconds = 120.0;
/// Connecting counts against a case's deadline.
constexpr double shortest_deadline_seconds = 5.0;
constexpr int skipped = 77;

/// Set by main while MPI is up: GoogleTest hands test cases nothing else.
struct Surroundings {
  const MpiRuntime* mpi = nullptr;
  Backend* backend = nullptr;
  std::size_t gpus = 0;
};
Surroundings surroundings;

SpanMemory gpu_span_memory(DeviceMemory& memory) {
  return {.allocate = [](std::size_t bytes) -> std::shared_ptr<void> {
            const auto buffer =
                std::make_shared<Buffer>(surroundings.backend->allocate(std::max<std::size_t>(bytes, 1)));
            return {buffer, buffer->data()};
          },
          .upload =
              [&memory](std::span<const std::byte> host, void* device) {
                memory.upload(host, {static_cast<std::byte*>(device), host.size()});
              },
          .download =
              [&memory](const void* device, std::span<std::byte> host) {
                memory.download({static_cast<const std::byte*>(device), host.size()}, host);
              }};
}

void run_on_all_ranks(CommunicatorOptions options, const RankBody& body) {
  check_options(options);
  options.deadline_seconds = std::max(options.deadline_seconds, shortest_deadline_seconds);
  const auto linked =
      make_backend_communicator(make_mpi_communicator(*surroundings.mpi, options), *surroundings.backend);
  // What a body does wrong must not meet a rank that still connects.
  make_mpi_communicator(*surroundings.mpi, {.deadline_seconds = runtime_deadline_seconds})->barrier();
  const auto memory = make_cuda_memory(*surroundings.backend);
  const SpanMemory spans = gpu_span_memory(*memory);
  DeviceSpanCommunicator communicator(*linked, spans);
  run_rank(communicator, body);
  make_mpi_communicator(*surroundings.mpi, {.deadline_seconds = runtime_deadline_seconds})->barrier();
}

CommunicatorCase gpu_case() {
  const int ranks = surroundings.mpi->size();
  const bool staged = static_cast<std::size_t>(ranks) > surroundings.gpus;
  return {.name = (staged ? "staged_" : "nccl_") + std::to_string(ranks),
          .ranks = ranks,
          .run = run_on_all_ranks};
}

INSTANTIATE_TEST_SUITE_P(Gpu, CommunicatorSuite, testing::Values(gpu_case()), case_name);
INSTANTIATE_TEST_SUITE_P(Gpu, LayerStreamSuite, testing::Values(gpu_case()), case_name);

/// Why nothing can be run here, if so.
std::optional<std::string> reason_to_skip() {
  try {
    surroundings.gpus = cuda_devices().size();
  } catch (const Error& error) {
    return describe(error);
  }
  return surroundings.gpus > 0 ? std::nullopt : std::optional<std::string>("no GPU is visible");
}

/// Ranks on one machine: a GPU each, as far as there are enough.
int run(int argc, char** argv) {
  const MpiRuntime mpi(runtime_deadline_seconds);
  surroundings.mpi = &mpi;
  if (const auto reason = reason_to_skip()) {
    if (mpi.rank() == 0) {
      std::printf("skipped: %s\n", reason->c_str());
    }
    return skipped;
  }
  const auto backend = make_cuda_backend({.device = mpi.rank() % static_cast<int>(surroundings.gpus),
                                          .memory_limit_bytes = std::size_t{1} << 30});
  surroundings.backend = backend.get();
  return run_all_tests(mpi, argc, argv);
}

}  // namespace
}  // namespace cce::communicator_suite

int main(int argc, char** argv) {
  try {
    return cce::communicator_suite::run(argc, argv);
  } catch (const cce::Error& error) {
    std::fprintf(stderr, "%s\n", cce::describe(error).c_str());
    return 1;
  }
}
