#pragma once
#include <cuda_runtime_api.h>

#include <cstddef>

#include "worker/tensor/dtype.h"

namespace cce {

/// Queues the sum of DeviceLink::add_parts on `stream`; f32 or f64. Errors: as check_cuda.
void queue_rank_order_sum(cudaStream_t stream, DType dtype, void* own, const void* others, std::size_t count,
                          int rank, int ranks);

}  // namespace cce
