#pragma once
#include <vector>

#include "common/cost/stage_sizes.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Uninitialised matrices of the sizes that the forecast adds up. Errors: does_not_fit.
OwnedMatrix allocate(Backend& backend, DType compute_dtype, const cost::MatrixSize& size);
/// All `count` of them.
std::vector<OwnedMatrix> allocate_each(Backend& backend, DType compute_dtype, const cost::MatrixSize& size);

}  // namespace cce
