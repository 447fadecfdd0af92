#include <cblas.h>

#include <array>
#include <oneapi/dnnl/dnnl.hpp>
#include <sstream>

#include "common/base/version.h"
#include "worker/tensor/cpu/kernels/table.h"
#include "worker/tensor/numeric_libraries.h"

namespace cce {
namespace {

/// "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH Haswell MAX_THREADS=64" → "0.3.21".
std::string openblas_version() {
  std::istringstream words(openblas_get_config());
  std::string name, version;
  words >> name >> version;
  return version;
}

std::string onednn_version() {
  const dnnl_version_t& version = *dnnl::version();
  return std::to_string(version.major) + "." + std::to_string(version.minor) + "." +
         std::to_string(version.patch);
}

/// As DNNL_MAX_CPU_ISA takes it, so that a user can ask for it elsewhere.
std::string onednn_instruction_set() {
  struct Row {
    dnnl_cpu_isa_t value;
    const char* name;
  };
  constexpr std::array rows{Row{dnnl_cpu_isa_sse41, "SSE41"},
                            Row{dnnl_cpu_isa_avx, "AVX"},
                            Row{dnnl_cpu_isa_avx2, "AVX2"},
                            Row{dnnl_cpu_isa_avx2_vnni, "AVX2_VNNI"},
                            Row{dnnl_cpu_isa_avx512_core, "AVX512_CORE"},
                            Row{dnnl_cpu_isa_avx512_core_vnni, "AVX512_CORE_VNNI"},
                            Row{dnnl_cpu_isa_avx512_core_bf16, "AVX512_CORE_BF16"},
                            Row{dnnl_cpu_isa_avx512_core_amx, "AVX512_CORE_AMX"}};
  const dnnl_cpu_isa_t effective = dnnl_get_effective_cpu_isa();
  for (const Row& row : rows) {
    if (row.value == effective) {
      return row.name;
    }
  }
  return "instruction set " + std::to_string(static_cast<int>(effective));
}

}  // namespace

std::vector<NumericLibrary> cpu_libraries() {
  const CpuKernels& kernels = best_cpu_kernels();
  std::vector<NumericLibrary> result{
      {.name = "OpenBLAS",
       .version = openblas_version(),
       .kernel = openblas_get_corename(),
       .remedy = "Set OPENBLAS_CORETYPE to another of its kernels, such as Haswell or Nehalem, or install "
                 "another version of it",
       .tasks = {NumericTask::product_f64, NumericTask::factorisation}},
      {.name = "oneDNN",
       .version = onednn_version(),
       .kernel = onednn_instruction_set(),
       .remedy = "Set DNNL_MAX_CPU_ISA to a smaller instruction set, such as AVX512_CORE or AVX2, or install "
                 "another version of it",
       .tasks = {NumericTask::product_f32, NumericTask::product_bf16}},
      {.name = "CCE",
       .version = std::string(code_version),
       .kernel = kernels.instruction_set,
       .remedy = "Compute on another machine, and report it with the model of this CPU",
       .tasks = {}}};
  const bool own_products = kernels.products.product != nullptr;
  result[own_products ? 2 : 1].tasks.push_back(NumericTask::wide_product_bf16);
  return result;
}

}  // namespace cce
