#pragma once
#include <cstddef>
#include <cstdint>

#include "worker/tensor/dtype.h"

namespace cce {

/// A bf16 operand of a product; transposed: op(X) = Xᵀ.
struct Bf16Operand {
  const void* data = nullptr;
  std::int64_t stride = 0;
  bool transposed = false;
};

/// C ← α op(A) op(B) + β C, op(B) already packed into panels.
struct Bf16Product {
  Bf16Operand a;
  const void* panels = nullptr;
  void* c = nullptr;  ///< f32, or bf16 with β = 0
  DType c_dtype = DType::f32;
  std::int64_t c_stride = 0;
  std::int64_t rows = 0, cols = 0, depth = 0;
  float alpha = 1.0f, beta = 0.0f;
  bool upper_only = false;  ///< blocks wholly below the diagonal are left as they are
};

/// Inner loops of the CPU's products, compiled once per instruction set (cpu/kernels/table.h).
struct ProductKernels {
  /// bf16 products in tile registers; null where the CPU has none. Panels hold 16 columns of op(B) and are
  /// packed in any order into (padded depth) × (padded columns) elements, both padded to 32.
  void (*pack_panels)(const Bf16Operand& b, std::int64_t depth, std::int64_t cols, std::int64_t first_panel,
                      std::int64_t last_panel, void* panels) = nullptr;
  std::size_t (*product_scratch)(std::int64_t depth) = nullptr;
  /// Rows [first_row, last_row), first_row a multiple of 32 and last_row too unless it is the end.
  void (*product)(const Bf16Product& product, std::int64_t first_row, std::int64_t last_row,
                  std::byte* scratch) = nullptr;
};

}  // namespace cce
