#include <string_view>

#include "worker/tensor/cpu/kernels/instruction_sets.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace cce {
namespace {

/// Linux hands out AMX's tile registers on request, once per process.
bool amx_is_granted() {
#if defined(__linux__) && defined(__x86_64__)
  constexpr long request_permission = 0x1023, tile_data = 18;
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

bool is_supported(const CpuKernels& kernels) {
  const std::string_view name = kernels.instruction_set;
  if (name == "amx_bf16") {
    return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("amx-tile") &&
           __builtin_cpu_supports("amx-bf16") && amx_is_granted();
  }
  if (name == "avx512_bf16") {
    return has_avx512() && __builtin_cpu_supports("avx512bf16");
  }
  if (name == "avx512") {
    return has_avx512();
  }
  if (name == "avx2") {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  }
  return true;
}

constexpr const CpuKernels* fastest_first[] = {&amx_bf16_kernels, &avx512_bf16_kernels, &avx512_kernels,
                                               &avx2_kernels, &baseline_kernels};

}  // namespace

const CpuKernels& best_cpu_kernels() {
  for (const CpuKernels* kernels : fastest_first) {
    if (is_supported(*kernels)) {
      return *kernels;
    }
  }
  return baseline_kernels;
}

const CpuKernels* cpu_kernels_named(const char* instruction_set) {
  for (const CpuKernels* kernels : fastest_first) {
    if (std::string_view(kernels->instruction_set) == instruction_set) {
      return is_supported(*kernels) ? kernels : nullptr;
    }
  }
  return nullptr;
}

}  // namespace cce
