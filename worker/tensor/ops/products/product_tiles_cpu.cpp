#include <algorithm>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/products/product_tiles_cpu.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
namespace {

constexpr std::int64_t side = 32;  // of a block of C, and what panels are padded to

std::int64_t padded(std::int64_t n) {
  return (n + side - 1) / side * side;
}

/// Part `part` of the rows of a triangle: long and short parts alternate, so that equal counts are equal
/// work.
std::int64_t balanced_part(std::int64_t part, std::int64_t parts) {
  return part % 2 == 0 ? part / 2 : parts - 1 - part / 2;
}

}  // namespace

bool has_tile_products(const CpuBackend& cpu, std::int64_t rows) {
  // Packing op(B) costs as much as a product with some dozens of rows.
  return cpu.kernels().products.product != nullptr && rows >= side;
}

void multiply_in_tiles(CpuBackend& cpu, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
                       Transpose transpose_b, Matrix c, float alpha, float beta, bool upper_only) {
  // Long sums go through C in parts, each of which keeps a chunk of A in the second-level cache. A bf16 C
  // cannot hold partial sums.
  constexpr std::int64_t depth_part = 2048, longest_whole = 3072;
  const std::int64_t depth = transpose_a == Transpose::yes ? a.rows : a.cols;
  const std::int64_t step = c.dtype == DType::f32 && depth > longest_whole ? depth_part : depth;
  const std::size_t panel_bytes =
      static_cast<std::size_t>(padded(std::min(step, depth)) * padded(c.cols)) * size_in_bytes(DType::bf16);
  const std::size_t panels_end = (panel_bytes + 4095) / 4096 * 4096;
  const std::size_t thread_bytes = (cpu.kernels().products.product_scratch(step) + 4095) / 4096 * 4096;
  std::byte* memory =
      cpu.product_scratch(panels_end + thread_bytes * static_cast<std::size_t>(cpu.threads()));

  Bf16Product product{.a = {.data = nullptr, .stride = a.stride, .transposed = transpose_a == Transpose::yes},
                      .panels = memory,
                      .c = c.data,
                      .c_dtype = c.dtype,
                      .c_stride = c.stride,
                      .rows = c.rows,
                      .cols = c.cols,
                      .depth = 0,
                      .alpha = alpha,
                      .beta = beta,
                      .upper_only = upper_only};
  for (std::int64_t first = 0; first < depth; first += step) {
    product.depth = std::min(step, depth - first);
    product.a.data = product.a.transposed ? element_of(a, first, 0) : element_of(a, 0, first);
    product.beta = first == 0 ? beta : 1.0f;
    const bool b_turned = transpose_b == Transpose::yes;
    const Bf16Operand right{b_turned ? element_of(b, 0, first) : element_of(b, first, 0), b.stride, b_turned};
    cpu.in_parallel(padded(c.cols) / 16, 16 * product.depth, [&](std::int64_t begin, std::int64_t end, int) {
      cpu.kernels().products.pack_panels(right, product.depth, c.cols, begin, end, memory);
    });
    const std::int64_t part_rows = upper_only ? 6 * side : side;
    const std::int64_t parts = (c.rows + part_rows - 1) / part_rows;
    cpu.in_parallel(parts, part_rows * c.cols, [&](std::int64_t begin, std::int64_t end, int thread) {
      std::byte* own = memory + panels_end + thread_bytes * static_cast<std::size_t>(thread);
      if (!upper_only) {
        cpu.kernels().products.product(product, begin * side, std::min(end * side, c.rows), own);
        return;
      }
      for (std::int64_t part = begin; part < end; ++part) {
        const std::int64_t row = balanced_part(part, parts) * part_rows;
        cpu.kernels().products.product(product, row, std::min(row + part_rows, c.rows), own);
      }
    });
  }
}

}  // namespace cpu_ops

}  // namespace cce
