#include "worker/tensor/cpu/kernels/body.h"
#include "worker/tensor/cpu/kernels/instruction_sets.h"

namespace cce {

constinit const CpuKernels avx2_kernels = make_kernels("avx2");

}  // namespace cce
