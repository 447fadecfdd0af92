#pragma once
#include <memory>

#include "tests/worker/cuda_emulation/block_runner.h"
#include "worker/tensor/backend.h"

namespace cce::cuda_emulation {

/// What a GPU would allow: small limits send small tests through every path.
struct EmulatedLimits {
  ThreadOrder order = ThreadOrder::ascending;
  std::size_t shared_bytes = std::size_t{227} << 10;  ///< of compute capability 9
  std::int64_t logits = std::int64_t{1} << 26;
};

/// A Backend whose kernels are the CUDA backend's, run by BlockRunner, and whose memory, products and solvers
/// are the CPU backend's.
std::unique_ptr<Backend> make_emulated_backend(const EmulatedLimits& limits);

}  // namespace cce::cuda_emulation
