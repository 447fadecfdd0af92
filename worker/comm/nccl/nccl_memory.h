#pragma once

namespace cce {

/// Whether `data` lies in the memory of a GPU, or in memory that the driver moves there.
bool is_gpu_memory(const void* data);

}  // namespace cce
