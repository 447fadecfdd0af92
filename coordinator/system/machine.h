#pragma once
#include <cstdint>

namespace cce {

/// What this machine offers a job.
struct Machine {
  std::int64_t cores = 1;         ///< physical cores that this process may use
  std::int64_t memory_bytes = 0;  ///< available now; a container's limit where that is less
  bool has_bf16 = false;          ///< the processor multiplies bf16 (AVX-512 bf16 or AMX)
};
Machine inspect_machine();

/// Physical cores among those that the process's affinity allows, at most its container's share of time, at
/// least 1. Two hardware threads of a core count once: dense products gain nothing from the second.
std::int64_t usable_cores();

}  // namespace cce
