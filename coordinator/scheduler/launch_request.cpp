#include "coordinator/scheduler/launch_request.h"

#include <algorithm>

#include "common/number_format.h"

namespace cce {

Launch launch_request(const JobSpec& spec, const Partition& partition) {
  const ResourceSettings& resources = spec.resources;
  Launch launch;
  launch.ranks = partition.ranks();
  launch.threads = resources.threads.value_or(1);
  launch.nodes = resources.nodes;
  launch.gpus_per_rank = resources.device == "cuda" ? resources.gpus_per_rank : 0;
  std::int64_t peak_bytes = 0;
  for (const RankForecast& forecast : partition.forecast) {
    peak_bytes = std::max(peak_bytes, forecast.peak_bytes);
  }
  if (resources.memory_bytes || peak_bytes > 0) {
    launch.memory_bytes = resources.memory_bytes.value_or(peak_bytes + peak_bytes / 4);
  }
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
