#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/ops/training/training_ops.h"

namespace cce {

/// Inner loops of the CPU's training, compiled once per instruction set (cpu/kernels/table.h).
struct TrainingKernels {
  double (*inner_product)(const void* a, DType a_dtype, const void* b, DType b_dtype, std::int64_t n);
  /// out_j += Σ_i weight_i a_ij b_ij over `rows` rows.
  void (*product_sums)(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                       const float* weight, std::int64_t rows, float* out, std::int64_t n);
  /// Returns the loss; out null: no gradient.
  float (*relative_error)(const float* x, const void* target, DType target_dtype, double scale, void* out,
                          DType out_dtype, std::int64_t n);
  void (*adamw)(const AdamWFactors& factors, const float* gradient, float* weights, float* m, float* v,
                void* copy, DType copy_dtype, std::int64_t n);
};

}  // namespace cce
