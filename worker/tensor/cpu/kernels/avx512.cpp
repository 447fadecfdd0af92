#include "worker/tensor/cpu/kernels/body.h"
#include "worker/tensor/cpu/kernels/instruction_sets.h"

namespace cce {

constinit const CpuKernels avx512_kernels = make_kernels("avx512");

}  // namespace cce
