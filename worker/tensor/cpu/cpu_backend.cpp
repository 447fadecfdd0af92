#include "worker/tensor/cpu/cpu_backend.h"

#include <cblas.h>
#include <omp.h>

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "worker/tensor/ops.h"

namespace cce {

CpuBackend::CpuBackend(int threads, const CpuKernels& kernels)
    : threads_(threads), kernels_(kernels), gemm_(std::make_unique<CpuGemm>(threads)) {}

bool CpuBackend::has_fast_bf16() const {
  return std::string_view(kernels_.instruction_set).ends_with("bf16");
}

CpuBackend::~CpuBackend() = default;

const OpTable& CpuBackend::ops() const {
  static const OpTable table{.products = &cpu_product_ops(),
                             .rows = &cpu_row_ops(),
                             .selections = &cpu_selection_ops(),
                             .blocks = &cpu_block_ops(),
                             .attention = &cpu_attention_ops(),
                             .output = &cpu_output_ops(),
                             .training = &cpu_training_ops(),
                             .solvers = &cpu_solver_ops()};
  return table;
}

void CpuBackend::use_threads_in_blas() const {
  // OpenBLAS and oneDNN share OpenMP's pool, whose size belongs to the calling thread.
  omp_set_num_threads(threads_);
  if (openblas_get_num_threads() != threads_) {
    openblas_set_num_threads(threads_);
  }
}

void CpuBackend::in_parallel(std::int64_t count, std::int64_t item_elements, const RangeBody& body) {
  constexpr std::int64_t worth_sharing = 16384;  // elements: waking a thread costs some microseconds
  if (count <= 0) {
    return;
  }
  const bool shared = item_elements >= worth_sharing || count * item_elements >= worth_sharing;
  const std::int64_t parts = shared ? std::min<std::int64_t>(threads_, count) : 1;
  if (parts == 1) {
    body(0, count, 0);
    return;
  }
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (std::int64_t part = 0; part < parts; ++part) {
    body(count * part / parts, count * (part + 1) / parts, static_cast<int>(part));
  }
}

std::unique_ptr<Backend> make_cpu_backend(int threads) {
  if (threads < 1) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "CPU backend, threads",
                .found = std::to_string(threads),
                .expected = "at least 1",
                .remedy = {}};
  }
  return std::make_unique<CpuBackend>(threads, best_cpu_kernels());
}

}  // namespace cce
