// StagedCommunicator over threads of this process: the suites of every communicator with all spans in memory
// that counts as a device's, and blocks shorter than most of them.
#include "worker/comm/device/staged_communicator.h"

#include <exception>
#include <thread>

#include "tests/conformance/communicator_suite.h"
#include "tests/conformance/device_span_communicator.h"
#include "tests/worker/comm/fake_device_link.h"
#include "tests/worker/passes/layer_stream_suite.h"
#include "worker/comm/local/local_communicator.h"

namespace cce::communicator_suite {
namespace {

constexpr std::size_t block_bytes = 200;

class FakeDeviceMemory : public DeviceMemory {
 public:
  explicit FakeDeviceMemory(FakeMemory& memory) : memory_(memory) {}
  bool holds(const void* data) const override { return memory_.holds(data); }
  std::shared_ptr<std::byte> host_block(std::size_t bytes) override {
    return {new std::byte[bytes], std::default_delete<std::byte[]>()};
  }
  void download(std::span<const std::byte> device, std::span<std::byte> host) override {
    EXPECT_TRUE(holds(device.data()) && !holds(host.data()));
    std::copy(device.begin(), device.end(), host.begin());
  }
  void upload(std::span<const std::byte> host, std::span<std::byte> device) override {
    EXPECT_TRUE(holds(device.data()) && !holds(host.data()));
    std::copy(host.begin(), host.end(), device.begin());
  }

 private:
  FakeMemory& memory_;
};

void run_rank(std::unique_ptr<Communicator> host, FakeMemory& memory, const RankBody& body) {
  const int rank = host->rank();
  try {
    StagedCommunicator staged(std::move(host), std::make_unique<FakeDeviceMemory>(memory), block_bytes);
    const SpanMemory spans = span_memory(memory);
    DeviceSpanCommunicator communicator(staged, spans);
    run_or_abort(communicator, [&] { body(communicator); });
  } catch (const Error& error) {
    ADD_FAILURE() << "rank " << rank << ": " << describe(error);
  } catch (const std::exception& error) {
    ADD_FAILURE() << "rank " << rank << ": " << error.what();
  }
}

CommunicatorCase staged_case(int ranks) {
  return {.name = "staged_" + std::to_string(ranks),
          .ranks = ranks,
          .run = [ranks](const CommunicatorOptions& options, const RankBody& body) {
            FakeMemory memory;
            auto hosts = make_local_communicators(ranks, options);
            std::vector<std::jthread> threads;
            for (auto& host : hosts) {
              threads.emplace_back([&] { run_rank(std::move(host), memory, body); });
            }
          }};
}

INSTANTIATE_TEST_SUITE_P(Staged, CommunicatorSuite,
                         testing::Values(staged_case(1), staged_case(2), staged_case(3)), case_name);
INSTANTIATE_TEST_SUITE_P(Staged, LayerStreamSuite, testing::Values(staged_case(1), staged_case(3)),
                         case_name);

}  // namespace
}  // namespace cce::communicator_suite
