#include "coordinator/system/machine.h"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <string>

namespace cce {
namespace {

/// The number after `label` at the start of a line.
std::optional<std::int64_t> number_in(const std::string& file, const std::string& label) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.compare(0, label.size(), label) == 0) {
      std::istringstream rest(line.substr(label.size()));
      std::int64_t value = 0;
      if (rest >> value) {
        return value;
      }
    }
  }
  return std::nullopt;
}

/// A container's share of processor time in cores, rounded up: "200000 100000" is 2; "max 100000" is no
/// limit.
std::optional<std::int64_t> core_quota() {
  std::ifstream stream("/sys/fs/cgroup/cpu.max");
  std::int64_t quota = 0;
  std::int64_t period = 0;
  if (stream >> quota >> period && quota > 0 && period > 0) {
    return (quota + period - 1) / period;
  }
  return std::nullopt;
}

bool processor_has_bf16() {
  std::ifstream stream("/proc/cpuinfo");
  for (std::string line; std::getline(stream, line);) {
    if (line.compare(0, 5, "flags") == 0) {
      return line.find("avx512_bf16") != std::string::npos || line.find("amx_bf16") != std::string::npos;
    }
  }
  return false;
}

}  // namespace

std::int64_t usable_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return 1;
  }
  std::set<std::string> cores;  // by the list of hardware threads that share one
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (CPU_ISSET(processor, &allowed)) {
      const std::string number = std::to_string(processor);
      std::ifstream stream("/sys/devices/system/cpu/cpu" + number + "/topology/thread_siblings_list");
      std::string siblings;
      cores.insert(std::getline(stream, siblings) ? siblings : number);
    }
  }
  const auto count = static_cast<std::int64_t>(cores.size());
  return std::max<std::int64_t>(1, std::min(count, core_quota().value_or(count)));
}

Machine inspect_machine() {
  Machine machine{.cores = usable_cores(), .memory_bytes = 0, .has_bf16 = processor_has_bf16()};
  machine.memory_bytes = number_in("/proc/meminfo", "MemAvailable:").value_or(0) * 1024;
  const std::optional<std::int64_t> limit = number_in("/sys/fs/cgroup/memory.max", "");
  const std::optional<std::int64_t> used = number_in("/sys/fs/cgroup/memory.current", "");
  if (limit && used) {
    machine.memory_bytes = std::min(machine.memory_bytes, std::max<std::int64_t>(*limit - *used, 0));
  }
  return machine;
}

}  // namespace cce
