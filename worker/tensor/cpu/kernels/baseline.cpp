#include "worker/tensor/cpu/kernels/body.h"
#include "worker/tensor/cpu/kernels/instruction_sets.h"

namespace cce {

constinit const CpuKernels baseline_kernels = make_kernels("baseline");

}  // namespace cce
