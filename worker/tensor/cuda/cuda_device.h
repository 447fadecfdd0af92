#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "worker/tensor/backend.h"

/// The GPUs of this machine, without any CUDA header: the same functions exist in a build without CUDA
/// (no_cuda.cpp), where they throw `unsupported`.
namespace cce {

/// A GPU as the driver describes it.
struct CudaDevice {
  std::string name;
  std::string identity;         ///< the same for the same device, whatever its index
  int major = 0, minor = 0;     ///< compute capability
  std::size_t total_bytes = 0;  ///< of its memory
  int multiprocessors = 0;
};

struct CudaOptions {
  int device = 0;  ///< among the visible ones, from 0
  std::size_t memory_limit_bytes =
      0;                 ///< what the backend may hold; 0: its share of nine tenths of what is free
  int sharers = 1;       ///< backends that share the device, for that default
  bool tf32 = false;     ///< products of f32 matrices take ten bits of each factor's mantissa
  int host_threads = 1;  ///< that fill pinned buffers
};

/// Whether this program was built with CUDA.
bool built_with_cuda();

/// Every visible GPU, in order of index; none where the driver sees none.
/// Errors: unsupported where the program was built without CUDA, no driver is there, or the driver is too
/// old.
std::vector<CudaDevice> cuda_devices();

/// A backend on one GPU. It must be used by the thread that made it.
/// Errors: as cuda_devices(); out_of_range for a device that is not there; unsupported where no kernel was
/// built for its compute capability; does_not_fit where a memory limit is larger than what is free.
std::unique_ptr<Backend> make_cuda_backend(const CudaOptions& options);

}  // namespace cce
