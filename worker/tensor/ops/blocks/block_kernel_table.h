#pragma once
#include <cstddef>
#include <cstdint>

#include "common/model/activation.h"
#include "worker/tensor/dtype.h"

namespace cce {

/// Inner loops of the CPU's blocks, compiled once per instruction set (cpu/kernels/table.h).
struct BlockKernels {
  void (*rms_norm)(const float* x, const float* gain, double epsilon, void* out, DType dtype, std::int64_t n);
  void (*rms_norm_backward)(const float* d_out, const float* x, const float* gain, double epsilon, float* d_x,
                            std::int64_t n);
  /// One row: groups × heads × 2 pairs columns; cos and sin have groups × pairs; direction 1 or −1.
  void (*rope)(void* x, DType dtype, const float* cos, const float* sin, std::int64_t groups,
               std::int64_t heads, std::int64_t pairs, float direction);
  void (*gated_units)(Activation activation, const void* gate, DType gate_dtype, const void* up,
                      DType up_dtype, void* out, DType out_dtype, std::int64_t n);
  void (*gated_units_backward)(Activation activation, const void* d_out, DType d_out_dtype, const void* gate,
                               DType gate_dtype, const void* up, DType up_dtype, void* d_gate,
                               DType d_gate_dtype, void* d_up, DType d_up_dtype, std::int64_t n);
};

}  // namespace cce
