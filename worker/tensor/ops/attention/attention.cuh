#pragma once
#include "worker/tensor/cuda/kernels/tiles.cuh"

/// What the attention kernels share.
namespace cce::cuda_kernels {

inline constexpr int attention_threads = 256;

/// AttentionShape as kernels read it; window: key_length where there is none.
struct AttentionSizes {
  std::int64_t query_length, key_length, kv_groups, queries_per_group, window;
  int qk_dim, vo_dim;
  float scale;
  int query_tile, key_tile;  ///< of a block, multiples of tile_side

  __host__ __device__ std::int64_t heads() const { return kv_groups * queries_per_group; }
  /// Where a query stands among the keys.
  __device__ std::int64_t position(std::int64_t query) const { return key_length - query_length + query; }
  /// The first key that the query sees; its last one stands at its own position.
  __device__ std::int64_t first_key(std::int64_t query) const {
    return larger(0, position(query) - window + 1);
  }
};

/// A matrix of activations as kernels of one dtype read it.
template <typename T>
struct Rows {
  T* data;
  std::int64_t stride;

  __device__ T* at(std::int64_t row, std::int64_t col) const { return data + row * stride + col; }
};

/// The columns [first, last) of a tile of keys from `key` on that a query sees.
struct VisibleColumns {
  int first, last;
};

__device__ inline VisibleColumns visible_columns(const AttentionSizes& sizes, std::int64_t query,
                                                 std::int64_t key) {
  const std::int64_t first = larger(0, sizes.first_key(query) - key);
  const std::int64_t last = smaller(sizes.key_tile, sizes.position(query) + 1 - key);
  return {static_cast<int>(smaller(first, sizes.key_tile)), static_cast<int>(larger(last, 0))};
}

/// Where a block of queries works: sequence, head and the first row and count of its tile.
struct QueryBlock {
  std::int64_t sequence, head, group, query, query_row, key_row;
  int count;

  /// Blocks: query tiles along x, the longest first; heads along y; sequences along z.
  __device__ explicit QueryBlock(const AttentionSizes& sizes)
      : sequence(blockIdx.z),
        head(blockIdx.y),
        group(head / sizes.queries_per_group),
        query(static_cast<std::int64_t>(gridDim.x - 1 - blockIdx.x) * sizes.query_tile),
        query_row(sequence * sizes.query_length + query),
        key_row(sequence * sizes.key_length),
        count(static_cast<int>(smaller(sizes.query_tile, sizes.query_length - query))) {}

  __device__ std::int64_t first_key(const AttentionSizes& sizes) const { return sizes.first_key(query); }
  __device__ std::int64_t last_key(const AttentionSizes& sizes) const {
    return sizes.position(query + count - 1) + 1;
  }
};

}  // namespace cce::cuda_kernels
