#include "coordinator/scheduler/launch_request.h"

#include <algorithm>

#include "common/base/number_format.h"

namespace cce {
namespace {

std::optional<std::int64_t> memory_of_rank(const ResourceSettings& resources, const Partition& partition) {
  const bool on_gpu = resources.device == "cuda";  // resources.memory is then the GPU's
  if (!on_gpu && resources.memory_bytes) {
    return resources.memory_bytes;
  }
  std::int64_t most = 0;
  for (const RankForecast& forecast : partition.forecast) {
    most = std::max(most, on_gpu ? forecast.host_bytes : forecast.peak_bytes);
  }
  return most > 0 ? std::optional(most + most / 4) : std::nullopt;
}

}  // namespace

Launch launch_request(const JobSpec& spec, const Partition& partition) {
  const ResourceSettings& resources = spec.resources;
  Launch launch;
  launch.ranks = partition.ranks();
  launch.threads = resources.threads.value_or(1);
  launch.nodes = resources.nodes;
  launch.gpus_per_rank = resources.device == "cuda" ? resources.gpus_per_rank : 0;
  launch.memory_bytes = memory_of_rank(resources, partition);
  launch.time_limit_seconds = parse_duration_seconds(resources.time_limit, "resources.time_limit");
  launch.partition = resources.partition;
  launch.account = resources.account;
  launch.qos = resources.qos;
  launch.constraint = resources.constraint;
  launch.environment_modules = resources.modules;
  launch.container_image = resources.container;
  return launch;
}

}  // namespace cce
