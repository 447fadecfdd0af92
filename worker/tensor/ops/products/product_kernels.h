#pragma once
#include "worker/tensor/cpu/kernels/packing.h"
#include "worker/tensor/ops/products/product_kernel_table.h"

/// Large bf16 products on AMX. The whole op(B) is packed into panels first (shared by all threads); each
/// thread then walks its rows in chunks that stay in its second-level cache, one pair of panels after
/// another.
namespace cce {
namespace {

#if defined(__AMX_BF16__)

/// Bytes of A that a chunk of rows may take of the second-level cache.
constexpr std::int64_t chunk_bytes = 512 * 1024;

inline std::int64_t product_chunk_rows(std::int64_t depth) {
  return most(tile_side, chunk_bytes / (2 * padded(depth)) / tile_side * tile_side);
}

std::size_t product_scratch_bytes(std::int64_t depth) {
  const std::int64_t rows = product_chunk_rows(depth);
  return static_cast<std::size_t>(rows * padded(depth)) * sizeof(BFloat16) +
         static_cast<std::size_t>(tile_side * tile_side) * sizeof(float);
}

void pack_product_panels(const Bf16Operand& b, std::int64_t depth, std::int64_t cols,
                         std::int64_t first_panel, std::int64_t last_panel, void* target) {
  auto* panels = static_cast<BFloat16*>(target);
  const auto* source = static_cast<const BFloat16*>(b.data);
  const std::int64_t depth_padded = padded(depth);
  for (std::int64_t panel = first_panel; panel < last_panel; ++panel) {
    const std::int64_t col = panel * lanes;
    const std::int64_t count = most(0, least(lanes, cols - col));
    BFloat16* out = panels + col * depth_padded;
    if (b.transposed) {
      pack_panel_transposed(source + col * b.stride, b.stride, count, depth, out);
    } else {
      pack_panel(source + (count > 0 ? col : 0), b.stride, count, depth, depth_padded, out);
    }
  }
}

/// Rows [first, first + count) of op(A) as tile products read them: A's own memory where it can be, else a
/// copy.
inline const BFloat16* chunk_of_a(const Bf16Product& p, std::int64_t first, std::int64_t count,
                                  BFloat16* copy, std::int64_t& stride) {
  const auto* a = static_cast<const BFloat16*>(p.a.data);
  const std::int64_t depth_padded = padded(p.depth);
  if (!p.a.transposed && p.depth == depth_padded && count % tile_side == 0) {
    stride = p.a.stride;
    return a + first * p.a.stride;
  }
  stride = depth_padded;
  if (!p.a.transposed) {
    pack_rows(Source<BFloat16>{a + first * p.a.stride, p.a.stride, count, p.depth}, copy, depth_padded);
    return copy;
  }
  alignas(64) BFloat16 panel[lanes * 2 * lanes];
  for (std::int64_t row = 0; row < padded(count); row += lanes) {
    const std::int64_t cols = most(0, least(lanes, count - row));
    for (std::int64_t k = 0; k < depth_padded; k += 2 * lanes) {
      pack_panel(a + k * p.a.stride + first + (cols > 0 ? row : 0), p.a.stride, cols,
                 least(2 * lanes, p.depth - k), 2 * lanes, panel);
      rows_from_panel(panel, 2 * lanes, copy + row * depth_padded + k, depth_padded);
    }
  }
  return copy;
}

/// C ← α tile + β C for a block of rows × cols at (row, col).
template <typename T>
inline void store_block(const Bf16Product& p, const float* tile, std::int64_t row, std::int64_t col,
                        std::int64_t rows, std::int64_t cols) {
  for (std::int64_t i = 0; i < rows; ++i) {
    T* c = static_cast<T*>(p.c) + (row + i) * p.c_stride + col;
    const float* source = tile + i * tile_side;
    for_each_vector(cols, [&](std::int64_t j, auto part) {
      Floats value = p.alpha * load(source + j, part);
      if (p.beta != 0.0f) {
        value += p.beta * load(c + j, part);
      }
      store(value, c + j, part);
    });
  }
}

/// What a block brings into the second-level cache while it computes: its own lines of C, which are written
/// at its end, and its share of the rows of A that the next row of blocks reads. Left to the hardware, both
/// arrive late: tile loads and stores touch many rows at a time.
struct Ahead {
  const char* c;
  std::int64_t c_row_bytes, c_rows, c_lines, steps;
  const BFloat16* a;  ///< null at the end of the chunk
  std::int64_t a_stride, a_first, a_last;

  void prefetch(std::int64_t k) const {
    const std::int64_t step = k / tile_side;
    for (std::int64_t i = c_rows * step / steps; i < c_rows * (step + 1) / steps; ++i) {
      for (std::int64_t line = 0; line < c_lines; ++line) {
        __builtin_prefetch(c + i * c_row_bytes + line * 64, 1, 2);
      }
    }
    for (std::int64_t i = a_first; i < a_last; ++i) {
      __builtin_prefetch(a + i * a_stride + k, 0, 2);
    }
  }
};

inline void product_block(const Bf16Product& p, const BFloat16* a, std::int64_t a_stride, std::int64_t row,
                          std::int64_t col, float* tile, const Ahead& ahead) {
  const std::int64_t depth = padded(p.depth);
  const std::int64_t rows = least(tile_side, p.rows - row), cols = least(tile_side, p.cols - col);
  const bool whole = rows == tile_side && cols == tile_side && p.c_dtype == DType::f32 && p.alpha == 1.0f &&
                     (p.beta == 0.0f || p.beta == 1.0f);
  ProductArguments<BFloat16> block{a,
                                   a_stride,
                                   static_cast<const BFloat16*>(p.panels) + col * depth,
                                   depth * lanes,
                                   tile,
                                   tile_side,
                                   tile_side,
                                   tile_side,
                                   depth,
                                   false};
  if (whole) {
    block.c = static_cast<float*>(p.c) + row * p.c_stride + col;
    block.c_stride = p.c_stride;
    block.accumulate = p.beta == 1.0f;
  }
  multiply_block(block, 0, 0, [&](std::int64_t k) { ahead.prefetch(k); });
  if (whole) {
    return;
  }
  if (p.c_dtype == DType::f32) {
    store_block<float>(p, tile, row, col, rows, cols);
  } else {
    store_block<BFloat16>(p, tile, row, col, rows, cols);
  }
}

/// One chunk of rows times one group of columns, both in the second-level cache; C is written along its rows.
inline void product_group(const Bf16Product& p, const BFloat16* a, std::int64_t a_stride,
                          std::int64_t first_row, std::int64_t rows, std::int64_t first_col,
                          std::int64_t last_col, float* tile) {
  const std::int64_t size = p.c_dtype == DType::f32 ? 4 : 2;
  for (std::int64_t row = 0; row < rows; row += tile_side) {
    const std::int64_t at = first_row + row;
    const std::int64_t begin = p.upper_only ? most(first_col, at) : first_col;
    const std::int64_t blocks = (last_col - begin + tile_side - 1) / tile_side;
    const bool more_rows = row + 2 * tile_side <= rows;
    for (std::int64_t block = 0; block < blocks; ++block) {
      const std::int64_t col = begin + block * tile_side;
      const Ahead ahead{.c = static_cast<const char*>(p.c) + (at * p.c_stride + col) * size,
                        .c_row_bytes = p.c_stride * size,
                        .c_rows = least(tile_side, p.rows - at),
                        .c_lines = size / 2,
                        .steps = padded(p.depth) / tile_side,
                        .a = a + (row + tile_side) * a_stride,
                        .a_stride = a_stride,
                        .a_first = more_rows ? tile_side * block / blocks : 0,
                        .a_last = more_rows ? tile_side * (block + 1) / blocks : 0};
      product_block(p, a + row * a_stride, a_stride, at, col, tile, ahead);
    }
  }
}

void product_rows(const Bf16Product& p, std::int64_t first_row, std::int64_t last_row, std::byte* memory) {
  const TileSession tiles;
  Scratch scratch(memory);
  auto* tile = scratch.take<float>(tile_side * tile_side);
  auto* copy = scratch.take<BFloat16>(0);
  const std::int64_t chunk_rows = product_chunk_rows(p.depth);
  for (std::int64_t chunk = first_row; chunk < last_row; chunk += chunk_rows) {
    const std::int64_t count = least(chunk_rows, last_row - chunk);
    std::int64_t stride = 0;
    const BFloat16* a = chunk_of_a(p, chunk, count, copy, stride);
    finish_stores(a);
    for (std::int64_t col = 0; col < p.cols; col += chunk_rows) {
      product_group(p, a, stride, chunk, count, col, least(p.cols, col + chunk_rows), tile);
    }
  }
}

#endif

constexpr ProductKernels make_product_kernels() {
  ProductKernels kernels{};
#if defined(__AMX_BF16__)
  kernels.pack_panels = pack_product_panels;
  kernels.product_scratch = product_scratch_bytes;
  kernels.product = product_rows;
#endif
  return kernels;
}

}  // namespace
}  // namespace cce
