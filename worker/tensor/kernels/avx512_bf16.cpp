#include "worker/tensor/kernels/body.h"
#include "worker/tensor/kernels/instruction_sets.h"

namespace cce {

const CpuKernels avx512_bf16_kernels = make_kernels("avx512_bf16");

}  // namespace cce
