#include "worker/comm/device/device_route.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "worker/comm/device/device_communicator.h"
#include "worker/comm/device/staged_communicator.h"
#include "worker/comm/messages/exchange.h"
#include "worker/comm/nccl/nccl_communicator.h"
#include "worker/comm/placement.h"

namespace cce {
namespace {

/// Large enough that starting a group costs little beside it, small enough for scratch memory.
constexpr std::size_t piece_bytes = std::size_t{32} << 20;

std::string version_text(std::int32_t version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." +
         std::to_string(version % 100);
}

/// Refuses a run in which `value` differs between ranks.
template <typename Value>
void check_alike(std::span<const RankDevice> by_rank, const std::string& expected, const std::string& remedy,
                 const Value& value) {
  for (std::size_t rank = 1; rank < by_rank.size(); ++rank) {
    if (value(by_rank[rank]) != value(by_rank[0])) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "resources.device",
                  .found = value(by_rank[0]) + " on rank 0, " + value(by_rank[rank]) + " on rank " +
                           std::to_string(rank),
                  .expected = expected,
                  .remedy = remedy};
    }
  }
}

RankDevice device_of(Backend& backend) {
  RankDevice device = nccl_device(backend);
  const std::string host = host_name();
  std::copy_n(host.begin(), std::min(host.size(), device.host.size() - 1), device.host.begin());
  return device;
}

}  // namespace

DeviceRoute choose_route(std::span<const RankDevice> by_rank) {
  check_alike(by_rank, "every rank on a GPU, or none",
              "Set resources.device to cpu, or ask for nodes that all have GPUs",
              [](const RankDevice& device) { return std::string(device.present ? "a GPU" : "no GPU"); });
  if (by_rank.size() == 1 || !by_rank[0].present) {
    return DeviceRoute::host;
  }
  std::set<std::pair<std::array<char, 256>, std::array<char, 32>>> gpus;
  for (const RankDevice& device : by_rank) {
    gpus.emplace(device.host, device.bus_identifier);
  }
  if (gpus.size() < by_rank.size()) {
    return DeviceRoute::staged;
  }
  check_alike(by_rank, "one version on all ranks", "Let all nodes load the same libnccl.so.2",
              [](const RankDevice& device) { return "NCCL " + version_text(device.nccl_version); });
  return DeviceRoute::nccl;
}

std::unique_ptr<Communicator> make_backend_communicator(std::unique_ptr<MessageCommunicator> host,
                                                        Backend& backend) {
  DeviceRoute route = DeviceRoute::host;
  std::unique_ptr<DeviceLink> link;
  std::unique_ptr<DeviceMemory> memory;
  run_or_abort(*host, [&] {
    route = choose_route(all_gather_value(*host, device_of(backend)));
    if (route == DeviceRoute::nccl) {
      link = make_nccl_link(*host, backend);
    } else if (route == DeviceRoute::staged) {
      memory = make_cuda_memory(backend);
    }
  });
  switch (route) {
    case DeviceRoute::nccl:
      return std::make_unique<DeviceCommunicator>(std::move(host), std::move(link), piece_bytes);
    case DeviceRoute::staged:
      return std::make_unique<StagedCommunicator>(std::move(host), std::move(memory), piece_bytes);
    case DeviceRoute::host:
      break;
  }
  return host;
}

}  // namespace cce
