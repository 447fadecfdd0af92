#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/dtype.h"

namespace cce {

/// Inner loops of the CPU's rows, compiled once per instruction set (cpu/kernels/table.h).
struct RowKernels {
  /// f32, bf16, f16, f64 to any of them.
  void (*convert)(const void* source, DType source_dtype, void* target, DType target_dtype, std::int64_t n);
  /// target += alpha source; target f32 or f64, source any or target's dtype.
  void (*add)(const void* source, DType source_dtype, void* target, DType target_dtype, double alpha,
              std::int64_t n);
  /// x += bias; x any.
  void (*add_bias)(const float* bias, void* x, DType dtype, std::int64_t n);
  void (*scale)(const void* source, DType source_dtype, float factor, void* target, DType target_dtype,
                std::int64_t n);
  float (*squared_norm)(const void* x, DType dtype, std::int64_t n);
  /// out_j += Σ_i weight_i x_ij over `rows` rows; weight null: 1.
  void (*column_sums)(const void* x, DType dtype, std::int64_t rows, std::int64_t stride, const float* weight,
                      float* out, std::int64_t n);
};

}  // namespace cce
