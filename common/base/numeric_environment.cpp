#include "common/base/numeric_environment.h"

#include <array>
#include <cstdlib>

namespace cce {
namespace {

constexpr std::array<std::string_view, 12> variables{
    "OPENBLAS_CORETYPE",          "OPENBLAS_L2_SIZE",   "OPENBLAS_BLOCK_FACTOR", "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",         "DNNL_CPU_ISA_HINTS", "ONEDNN_CPU_ISA_HINTS",  "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE", "GLIBC_TUNABLES",     "NVIDIA_TF32_OVERRIDE",  "CUBLAS_WORKSPACE_CONFIG"};

}  // namespace

std::span<const std::string_view> numeric_variables() {
  return variables;
}

std::map<std::string, std::string> numeric_environment() {
  std::map<std::string, std::string> found;
  for (const std::string_view variable : variables) {
    std::string name(variable);
    if (const char* value = std::getenv(name.c_str()); value != nullptr && *value != '\0') {
      found.emplace(std::move(name), value);
    }
  }
  return found;
}

}  // namespace cce
