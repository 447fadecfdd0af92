#include "worker/run/device_choice.h"

#include <algorithm>
#include <sstream>

#include "common/base/error.h"

namespace cce {
namespace {

/// The place of `rank` among the ranks of its host.
int local_rank(const std::vector<RankDevices>& ranks, std::size_t rank) {
  return static_cast<int>(
      std::count_if(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(rank),
                    [&](const RankDevices& other) { return other.host == ranks[rank].host; }));
}

int index_of(const std::vector<RankDevices>& ranks, std::size_t rank) {
  return local_rank(ranks, rank) % static_cast<int>(ranks[rank].gpus.size());
}

std::string identity_of(const std::vector<RankDevices>& ranks, std::size_t rank) {
  return ranks[rank].host + " " + ranks[rank].gpus[static_cast<std::size_t>(index_of(ranks, rank))];
}

[[noreturn]] void refuse(const RankDevices& devices, std::size_t rank) {
  throw Error{
      .code = ErrorCode::unsupported,
      .where = "resources.device",
      .found = "cuda, but rank " + std::to_string(rank) + " on " + devices.host + " has no GPU: " +
               (devices.refusal.empty() ? "the driver shows none (CUDA_VISIBLE_DEVICES?)" : devices.refusal),
      .expected = "a GPU that every rank can see",
      .remedy = "Set resources.device: cpu, or run where there are GPUs (on Slurm, resources.gpus_per_rank)"};
}

}  // namespace

DeviceChoice choose_device(const std::string& requested, const std::vector<RankDevices>& ranks, int rank) {
  if (requested == "cpu") {
    return {};
  }
  const auto without = std::find_if(ranks.begin(), ranks.end(),
                                    [](const RankDevices& devices) { return devices.gpus.empty(); });
  if (without != ranks.end()) {
    const auto number = static_cast<std::size_t>(without - ranks.begin());
    if (requested == "cuda") {
      refuse(*without, number);
    }
    const bool some_see_gpus = std::any_of(ranks.begin(), ranks.end(),
                                           [](const RankDevices& devices) { return !devices.gpus.empty(); });
    DeviceChoice cpu;
    if (some_see_gpus || !without->refusal.empty()) {
      cpu.note = "resources.device auto computes on CPUs: rank " + std::to_string(number) + " on " +
                 without->host + " has no GPU" + (without->refusal.empty() ? "" : ": " + without->refusal);
    }
    return cpu;
  }
  const auto own = static_cast<std::size_t>(rank);
  DeviceChoice choice{.cuda = true, .index = index_of(ranks, own), .sharers = 0};
  for (std::size_t other = 0; other < ranks.size(); ++other) {
    choice.sharers += identity_of(ranks, other) == identity_of(ranks, own) ? 1 : 0;
  }
  return choice;
}

std::string to_text(const RankDevices& devices) {
  std::string refusal = devices.refusal;
  std::replace(refusal.begin(), refusal.end(), '\n', ' ');
  std::string text = devices.host + "\n" + refusal + "\n";
  for (const std::string& gpu : devices.gpus) {
    text += gpu + "\n";
  }
  return text;
}

RankDevices parse_rank_devices(const std::string& text) {
  std::istringstream lines(text);
  RankDevices devices;
  std::getline(lines, devices.host);
  std::getline(lines, devices.refusal);
  for (std::string gpu; std::getline(lines, gpu);) {
    devices.gpus.push_back(gpu);
  }
  return devices;
}

}  // namespace cce
