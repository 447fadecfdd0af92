#include "worker/tensor/kernels/body.h"
#include "worker/tensor/kernels/instruction_sets.h"

namespace cce {

constinit const CpuKernels baseline_kernels = make_kernels("baseline");

}  // namespace cce
