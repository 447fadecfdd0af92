#include "worker/tensor/kernels/body.h"
#include "worker/tensor/kernels/instruction_sets.h"

namespace cce {

const CpuKernels baseline_kernels = make_kernels("baseline");

}  // namespace cce
