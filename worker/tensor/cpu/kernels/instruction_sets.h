#pragma once
#include "worker/tensor/cpu/kernels/table.h"

namespace cce {

extern const CpuKernels baseline_kernels;
extern const CpuKernels avx2_kernels;
extern const CpuKernels avx512_kernels;
extern const CpuKernels avx512_bf16_kernels;
extern const CpuKernels amx_bf16_kernels;

}  // namespace cce
