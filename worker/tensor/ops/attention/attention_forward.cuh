#pragma once
#include "worker/tensor/ops/attention/attention.cuh"

/// Attention with an online softmax (Milakov and Gimelshein 2018; Dao et al. 2022): a block takes a tile of
/// queries of one head and walks over tiles of keys. E is what the products compute in and what is stored.
///   1. S = Q Kᵀ   2. m' = max(m, scale S), P = exp(scale S − m'), l ← l exp(m − m') + Σ P
///   3. O ← O exp(m − m') + P V   4. out = O / l, log-sum-exp = m + log l
namespace cce::cuda_kernels {

template <typename E>
struct ForwardArguments {
  AttentionSizes sizes;
  Rows<const E> q, k, v;
  Rows<E> out;
  Rows<float> log_sum_exp;  ///< no data: not wanted
};

template <typename E>
struct ForwardMemory {
  Tile<E> queries, keys, values, weights;
  Tile<float> scores, outputs;
  float *row_maximum, *row_sum;
  std::size_t bytes;

  __host__ __device__ ForwardMemory(const AttentionSizes& sizes, unsigned char* memory) {
    SharedLayout layout(memory);
    queries = layout.tile<E>(sizes.query_tile, padded(sizes.qk_dim));
    keys = layout.tile<E>(sizes.key_tile, padded(sizes.qk_dim));
    values = layout.tile<E>(sizes.key_tile, padded(sizes.vo_dim));
    weights = layout.tile<E>(sizes.query_tile, sizes.key_tile);
    scores = layout.tile<float>(sizes.query_tile, sizes.key_tile);
    outputs = layout.tile<float>(sizes.query_tile, padded(sizes.vo_dim));
    row_maximum = layout.take<float>(sizes.query_tile);
    row_sum = layout.take<float>(sizes.query_tile);
    bytes = layout.bytes();
  }
};

/// Step 2 and the first half of step 3 for the tile of keys from `key` on; a warp takes a row at a time.
template <typename E>
__device__ inline void softmax_tile(const AttentionSizes& sizes, const ForwardMemory<E>& s,
                                    const QueryBlock& block, std::int64_t key) {
  for (int row = warp_index(); row < sizes.query_tile; row += warp_count()) {
    const VisibleColumns visible =
        row < block.count ? visible_columns(sizes, block.query + row, key) : VisibleColumns{0, 0};
    const float before = s.row_maximum[row];
    float top = before;
    for (int col = visible.first + lane_index(); col < visible.last; col += warp_threads) {
      top = fmaxf(top, sizes.scale * s.scores(row, col));
    }
    top = warp_maximum(top);
    float total = 0.0f;
    for (int col = lane_index(); col < sizes.key_tile; col += warp_threads) {
      const bool seen = col >= visible.first && col < visible.last;
      const float weight = seen ? expf(sizes.scale * s.scores(row, col) - top) : 0.0f;
      total += weight;
      s.weights(row, col) = from_number<E>(weight);
    }
    total = warp_sum(total);
    const float shrink = expf(before - top);
    if (shrink != 1.0f) {
      for (int col = lane_index(); col < padded(sizes.vo_dim); col += warp_threads) {
        s.outputs(row, col) *= shrink;
      }
    }
    if (lane_index() == 0) {
      s.row_maximum[row] = top;
      s.row_sum[row] = s.row_sum[row] * shrink + total;
    }
  }
}

template <typename E>
__global__ void attention_forward_tiles(ForwardArguments<E> a) {
  const AttentionSizes& sizes = a.sizes;
  const ForwardMemory<E> s(sizes, shared_memory());
  const QueryBlock block(sizes);
  const int qk = padded(sizes.qk_dim), vo = padded(sizes.vo_dim), thread = static_cast<int>(threadIdx.x);
  load_tile(s.queries, a.q.at(block.query_row, block.head * sizes.qk_dim), a.q.stride, block.count,
            sizes.qk_dim, sizes.query_tile, qk);
  clear_tile(s.outputs, sizes.query_tile, vo);
  for (int row = thread; row < sizes.query_tile; row += attention_threads) {
    s.row_maximum[row] = -3.0e38f;  // finite: what a row without keys yet is shrunk by stays a number
    s.row_sum[row] = 0.0f;
  }
  for (std::int64_t key = block.first_key(sizes); key < block.last_key(sizes); key += sizes.key_tile) {
    const int count = static_cast<int>(smaller(sizes.key_tile, sizes.key_length - key));
    __syncthreads();
    load_tile(s.keys, a.k.at(block.key_row + key, block.group * sizes.qk_dim), a.k.stride, count,
              sizes.qk_dim, sizes.key_tile, qk);
    load_tile(s.values, a.v.at(block.key_row + key, block.group * sizes.vo_dim), a.v.stride, count,
              sizes.vo_dim, sizes.key_tile, vo);
    __syncthreads();
    multiply_tiles<Layout::plain, Layout::turned>(s.queries, s.keys, s.scores,
                                                  {sizes.query_tile, sizes.key_tile, qk, false});  // 1.
    __syncthreads();
    softmax_tile(sizes, s, block, key);  // 2.
    __syncthreads();
    multiply_tiles<Layout::plain, Layout::plain>(s.weights, s.values, s.outputs,
                                                 {sizes.query_tile, vo, sizes.key_tile, true});  // 3.
  }
  __syncthreads();
  store_tile(s.outputs, a.out.at(block.query_row, block.head * sizes.vo_dim), a.out.stride, block.count,
             sizes.vo_dim, [&](int row) { return 1.0f / s.row_sum[row]; });  // 4.
  if (a.log_sum_exp.data != nullptr) {
    for (int row = thread; row < block.count; row += attention_threads) {
      *a.log_sum_exp.at(block.query_row + row, block.head) = s.row_maximum[row] + logf(s.row_sum[row]);
    }
  }
}

template <typename E>
struct VarianceArguments {
  AttentionSizes sizes;
  Rows<const E> q, k;
  Rows<const float> log_sum_exp;
  std::int64_t first_query;
  double* partial;  ///< heads × (sequences × query tiles)
};

template <typename E>
struct VarianceMemory {
  Tile<E> queries, keys;
  Tile<float> scores;
  float* squares;  ///< Σ_j p_j² of each row
  unsigned char* reduction;
  std::size_t bytes;

  __host__ __device__ VarianceMemory(const AttentionSizes& sizes, unsigned char* memory) {
    SharedLayout layout(memory);
    queries = layout.tile<E>(sizes.query_tile, padded(sizes.qk_dim));
    keys = layout.tile<E>(sizes.key_tile, padded(sizes.qk_dim));
    scores = layout.tile<float>(sizes.query_tile, sizes.key_tile);
    squares = layout.take<float>(sizes.query_tile);
    reduction = layout.take<unsigned char>(static_cast<int>(reduction_bytes));
    bytes = layout.bytes();
  }
};

/// squares_i ← squares_i + Σ_j p_ij² of the tile of keys from `key` on.
template <typename E>
__device__ inline void add_squared_weights(const VarianceArguments<E>& a, const VarianceMemory<E>& s,
                                           const QueryBlock& block, std::int64_t key) {
  const AttentionSizes& sizes = a.sizes;
  for (int row = warp_index(); row < block.count; row += warp_count()) {
    const VisibleColumns visible = visible_columns(sizes, block.query + row, key);
    const float log_sum_exp = *a.log_sum_exp.at(block.query_row + row, block.head);
    float total = 0.0f;
    for (int col = visible.first + lane_index(); col < visible.last; col += warp_threads) {
      const float weight = expf(sizes.scale * s.scores(row, col) - log_sum_exp);
      total += weight * weight;
    }
    total = warp_sum(total);
    if (lane_index() == 0) {
      s.squares[row] += total;
    }
  }
}

/// partial ← Σ of the block's queries at positions ≥ first_query of (Σ_j p_j² / n − 1/n²).
template <typename E>
__global__ void attention_variance_tiles(VarianceArguments<E> a) {
  const AttentionSizes& sizes = a.sizes;
  const VarianceMemory<E> s(sizes, shared_memory());
  const QueryBlock block(sizes);
  const int qk = padded(sizes.qk_dim), thread = static_cast<int>(threadIdx.x);
  load_tile(s.queries, a.q.at(block.query_row, block.head * sizes.qk_dim), a.q.stride, block.count,
            sizes.qk_dim, sizes.query_tile, qk);
  for (int row = thread; row < sizes.query_tile; row += attention_threads) {
    s.squares[row] = 0.0f;
  }
  for (std::int64_t key = block.first_key(sizes); key < block.last_key(sizes); key += sizes.key_tile) {
    const int count = static_cast<int>(smaller(sizes.key_tile, sizes.key_length - key));
    __syncthreads();
    load_tile(s.keys, a.k.at(block.key_row + key, block.group * sizes.qk_dim), a.k.stride, count,
              sizes.qk_dim, sizes.key_tile, qk);
    __syncthreads();
    multiply_tiles<Layout::plain, Layout::turned>(s.queries, s.keys, s.scores,
                                                  {sizes.query_tile, sizes.key_tile, qk, false});
    __syncthreads();
    add_squared_weights(a, s, block, key);
  }
  __syncthreads();
  double total = 0.0;
  for (int row = thread; row < block.count; row += attention_threads) {
    const std::int64_t query = block.query + row;
    if (sizes.position(query) >= a.first_query) {
      const auto n = static_cast<double>(sizes.position(query) + 1 - sizes.first_key(query));
      total += static_cast<double>(s.squares[row]) / n - 1.0 / (n * n);
    }
  }
  total = block_sum(total, s.reduction);
  if (thread == 0) {
    a.partial[(block.head * gridDim.z + blockIdx.z) * gridDim.x + blockIdx.x] = total;
  }
}

}  // namespace cce::cuda_kernels
