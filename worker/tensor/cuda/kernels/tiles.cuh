#pragma once
#include <mma.h>

#include "worker/tensor/cuda/kernels/reduce.cuh"

/// Matrices in shared memory and products of them by a whole block: bf16 on tensor cores, f32 by fused
/// multiply-adds, sums always f32. Sides are multiples of tile_side, filled up with zeros.
namespace cce::cuda_kernels {

inline constexpr int tile_side = 16;

__host__ __device__ constexpr int padded(std::int64_t n) {
  return static_cast<int>((n + tile_side - 1) / tile_side * tile_side);
}

/// A row-major matrix in shared memory.
template <typename E>
struct Tile {
  E* data;
  int stride;

  __device__ E& operator()(int row, int col) const { return data[row * stride + col]; }
};

/// Deals out shared memory; with no memory it only counts. Everything starts at a multiple of 128 bytes.
class SharedLayout {
 public:
  __host__ __device__ explicit SharedLayout(unsigned char* memory) : memory_(memory) {}

  template <typename T>
  __host__ __device__ T* take(int count) {
    constexpr std::size_t alignment = 128;
    T* result = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + bytes_);
    bytes_ += (static_cast<std::size_t>(count) * sizeof(T) + alignment - 1) / alignment * alignment;
    return result;
  }
  /// Rows are 16 bytes longer than they need to be: else neighbours in a column share banks.
  template <typename E>
  __host__ __device__ Tile<E> tile(int rows, int cols) {
    const int stride = cols + 16 / static_cast<int>(sizeof(E));
    return {take<E>(rows * stride), stride};
  }
  __host__ __device__ std::size_t bytes() const { return bytes_; }

 private:
  unsigned char* memory_;
  std::size_t bytes_ = 0;
};

/// tile ← rows × cols elements at `source`, row-major, and zeros up to padded_rows × padded_cols. 16 bytes at
/// a time where the source allows it. The block synchronises afterwards.
template <typename E>
__device__ inline void load_tile(const Tile<E>& tile, const E* source, std::int64_t stride, int rows,
                                 int cols, int padded_rows, int padded_cols) {
  constexpr int width = 16 / static_cast<int>(sizeof(E));
  const int per_row = padded_cols / width;
  const bool aligned = is_aligned(source, 16) && stride % width == 0;
  for (int i = static_cast<int>(threadIdx.x); i < padded_rows * per_row; i += static_cast<int>(blockDim.x)) {
    const int row = i / per_row, col = i % per_row * width;
    const E* from = source + row * stride + col;
    E* to = &tile(row, col);
    if (aligned && row < rows && col + width <= cols) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
      continue;
    }
    for (int j = 0; j < width; ++j) {
      to[j] = row < rows && col + j < cols ? from[j] : from_number<E>(0.0f);
    }
  }
}

/// tile ← 0 over rows × cols.
__device__ inline void clear_tile(const Tile<float>& tile, int rows, int cols) {
  for (int row = warp_index(); row < rows; row += warp_count()) {
    for (int col = lane_index(); col < cols; col += warp_threads) {
      tile(row, col) = 0.0f;
    }
  }
}

/// target ← tile over rows × cols, each row times factor(row).
template <typename T, typename Factor>
__device__ inline void store_tile(const Tile<float>& tile, T* target, std::int64_t stride, int rows, int cols,
                                  Factor factor) {
  for (int row = warp_index(); row < rows; row += warp_count()) {
    const float of_row = factor(row);
    for (int col = lane_index(); col < cols; col += warp_threads) {
      target[row * stride + col] = from_number<T>(tile(row, col) * of_row);
    }
  }
}

enum class Layout : bool { plain, turned };

/// Sizes of a product of tiles; accumulate: C ← C + op(A) op(B) rather than C ← op(A) op(B).
struct ProductSize {
  int rows, cols, depth;
  bool accumulate;
};

/// In f32: every thread makes 4 × 4 blocks of C whose columns lie a quarter of a row apart, so that
/// neighbouring threads read neighbouring columns.
template <Layout layout_a, Layout layout_b>
__device__ inline void multiply_tiles(const Tile<float>& a, const Tile<float>& b, const Tile<float>& c,
                                      ProductSize size) {
  const int across = size.cols / 4, blocks = size.rows / 4 * across;
  for (int block = static_cast<int>(threadIdx.x); block < blocks; block += static_cast<int>(blockDim.x)) {
    const int row = block / across * 4, col = block % across;
    float sum[4][4] = {};
    for (int k = 0; k < size.depth; ++k) {
      float left[4], right[4];
      for (int i = 0; i < 4; ++i) {
        left[i] = layout_a == Layout::turned ? a(k, row + i) : a(row + i, k);
        right[i] = layout_b == Layout::turned ? b(col + i * across, k) : b(k, col + i * across);
      }
      for (int i = 0; i < 4; ++i) {
        for (int j = 0; j < 4; ++j) {
          sum[i][j] += left[i] * right[j];
        }
      }
    }
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) {
        float& out = c(row + i, col + j * across);
        out = size.accumulate ? out + sum[i][j] : sum[i][j];
      }
    }
  }
}

/// One warp's 16 × (16 count) part of C: its fragment of A serves `count` fragments of B.
template <Layout layout_a, Layout layout_b, int count>
__device__ inline void multiply_fragments(const Tile<__nv_bfloat16>& a, const Tile<__nv_bfloat16>& b,
                                          const Tile<float>& c, int row, int col, int depth,
                                          bool accumulate) {
  namespace wmma = nvcuda::wmma;
  using LayoutA = std::conditional_t<layout_a == Layout::turned, wmma::col_major, wmma::row_major>;
  using LayoutB = std::conditional_t<layout_b == Layout::turned, wmma::col_major, wmma::row_major>;
  wmma::fragment<wmma::matrix_a, tile_side, tile_side, tile_side, __nv_bfloat16, LayoutA> left;
  wmma::fragment<wmma::matrix_b, tile_side, tile_side, tile_side, __nv_bfloat16, LayoutB> right;
  wmma::fragment<wmma::accumulator, tile_side, tile_side, tile_side, float> sum[count];
  for (int j = 0; j < count; ++j) {
    if (accumulate) {
      wmma::load_matrix_sync(sum[j], &c(row, col + j * tile_side), static_cast<unsigned>(c.stride),
                             wmma::mem_row_major);
    } else {
      wmma::fill_fragment(sum[j], 0.0f);
    }
  }
  for (int k = 0; k < depth; k += tile_side) {
    const __nv_bfloat16* from_a = layout_a == Layout::turned ? &a(k, row) : &a(row, k);
    wmma::load_matrix_sync(left, from_a, static_cast<unsigned>(a.stride));
    for (int j = 0; j < count; ++j) {
      const int at = col + j * tile_side;
      const __nv_bfloat16* from_b = layout_b == Layout::turned ? &b(at, k) : &b(k, at);
      wmma::load_matrix_sync(right, from_b, static_cast<unsigned>(b.stride));
      wmma::mma_sync(sum[j], left, right, sum[j]);
    }
  }
  for (int j = 0; j < count; ++j) {
    wmma::store_matrix_sync(&c(row, col + j * tile_side), sum[j], static_cast<unsigned>(c.stride),
                            wmma::mem_row_major);
  }
}

/// In bf16: warps share out 16 × 32 parts of C, or 16 × 16 where C's width asks for it.
template <Layout layout_a, Layout layout_b>
__device__ inline void multiply_tiles(const Tile<__nv_bfloat16>& a, const Tile<__nv_bfloat16>& b,
                                      const Tile<float>& c, ProductSize size) {
  const bool wide = size.cols % (2 * tile_side) == 0;
  const int across = size.cols / (wide ? 2 * tile_side : tile_side);
  const int parts = size.rows / tile_side * across;
  for (int part = warp_index(); part < parts; part += warp_count()) {
    const int row = part / across * tile_side;
    if (wide) {
      multiply_fragments<layout_a, layout_b, 2>(a, b, c, row, part % across * 2 * tile_side, size.depth,
                                                size.accumulate);
    } else {
      multiply_fragments<layout_a, layout_b, 1>(a, b, c, row, part % across * tile_side, size.depth,
                                                size.accumulate);
    }
  }
}

}  // namespace cce::cuda_kernels
