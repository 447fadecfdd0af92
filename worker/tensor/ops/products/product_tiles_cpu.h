#pragma once
#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/products/product_ops.h"

namespace cce::cpu_ops {

/// Whether bf16 products with so many rows go through the tile kernels rather than oneDNN.
bool has_tile_products(const CpuBackend& cpu, std::int64_t rows);
/// A product of bf16 matrices by the tile kernels; upper_only leaves C's blocks below the diagonal as they are.
void multiply_in_tiles(CpuBackend& cpu, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
                       Transpose transpose_b, Matrix c, float alpha, float beta, bool upper_only);

}  // namespace cce::cpu_ops
