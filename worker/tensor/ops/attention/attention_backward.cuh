#pragma once
#include "worker/tensor/ops/attention/attention.cuh"

/// Gradients of attention, recomputing the weights tile by tile (Dao 2023), without sums that depend on the
/// order of blocks: one kernel owns tiles of keys, another tiles of queries.
///   1. D = Σ_j dO ⊙ O of every query and head
///   2. S = Q Kᵀ, dP = dO Vᵀ, P = exp(scale S − lse), dS = scale P ⊙ (dP − D)
///   3. by keys: dV = Σ Pᵀ dO, dK = Σ dSᵀ Q over the heads and queries of the group   4. by queries: dQ = Σ
///   dS K
namespace cce::cuda_kernels {

/// G is what the gradients are stored in.
template <typename E, typename G>
struct BackwardArguments {
  AttentionSizes sizes;
  Rows<const E> q, k, v, d_out;
  Rows<const float> log_sum_exp, products;  ///< products: D, tokens × heads
  Rows<G> d_q, d_k, d_v;
};

/// Shared memory of both kernels. `by_keys`: the sums are dK and dV rather than dQ.
template <typename E>
struct BackwardMemory {
  Tile<E> queries, d_out, keys, values, weights, d_scores;
  Tile<float> scores, d_weights, first_sum, second_sum;
  float *log_sum_exp, *products;
  std::size_t bytes;

  __host__ __device__ BackwardMemory(const AttentionSizes& sizes, bool by_keys, unsigned char* memory) {
    SharedLayout layout(memory);
    const int qk = padded(sizes.qk_dim), vo = padded(sizes.vo_dim);
    queries = layout.tile<E>(sizes.query_tile, qk);
    d_out = layout.tile<E>(sizes.query_tile, vo);
    keys = layout.tile<E>(sizes.key_tile, qk);
    values = layout.tile<E>(sizes.key_tile, vo);
    weights = layout.tile<E>(by_keys ? sizes.query_tile : 0, sizes.key_tile);
    d_scores = layout.tile<E>(sizes.query_tile, sizes.key_tile);
    scores = layout.tile<float>(sizes.query_tile, sizes.key_tile);
    d_weights = layout.tile<float>(sizes.query_tile, sizes.key_tile);
    first_sum = layout.tile<float>(by_keys ? sizes.key_tile : sizes.query_tile, qk);
    second_sum = layout.tile<float>(by_keys ? sizes.key_tile : 0, vo);
    log_sum_exp = layout.take<float>(sizes.query_tile);
    products = layout.take<float>(sizes.query_tile);
    bytes = layout.bytes();
  }
};

/// Step 1: products_th ← Σ_j d_out ⊙ out, a warp per query and head.
template <typename E>
__global__ void attention_products(Rows<const E> out, Rows<const E> d_out, std::int64_t tokens,
                                   std::int64_t heads, int vo_dim, Rows<float> products) {
  const std::int64_t job = static_cast<std::int64_t>(blockIdx.x) * warp_count() + warp_index();
  if (job >= tokens * heads) {
    return;  // all of the warp's threads
  }
  const std::int64_t token = job / heads, head = job % heads;
  float total = 0.0f;
  for (int j = lane_index(); j < vo_dim; j += warp_threads) {
    total += to_number(*out.at(token, head * vo_dim + j)) * to_number(*d_out.at(token, head * vo_dim + j));
  }
  total = warp_sum(total);
  if (lane_index() == 0) {
    *products.at(token, head) = total;
  }
}

/// The queries' side of a tile: Q, dO, lse and D of `count` queries of a head from `query` on.
template <typename E, typename G>
__device__ inline void load_queries(const BackwardArguments<E, G>& a, const BackwardMemory<E>& s,
                                    std::int64_t row, std::int64_t head, int count) {
  const AttentionSizes& sizes = a.sizes;
  load_tile(s.queries, a.q.at(row, head * sizes.qk_dim), a.q.stride, count, sizes.qk_dim, sizes.query_tile,
            padded(sizes.qk_dim));
  load_tile(s.d_out, a.d_out.at(row, head * sizes.vo_dim), a.d_out.stride, count, sizes.vo_dim,
            sizes.query_tile, padded(sizes.vo_dim));
  for (int i = static_cast<int>(threadIdx.x); i < sizes.query_tile; i += attention_threads) {
    s.log_sum_exp[i] = i < count ? *a.log_sum_exp.at(row + i, head) : 0.0f;
    s.products[i] = i < count ? *a.products.at(row + i, head) : 0.0f;
  }
}

template <typename E, typename G>
__device__ inline void load_keys(const BackwardArguments<E, G>& a, const BackwardMemory<E>& s,
                                 std::int64_t row, std::int64_t group, int count) {
  const AttentionSizes& sizes = a.sizes;
  load_tile(s.keys, a.k.at(row, group * sizes.qk_dim), a.k.stride, count, sizes.qk_dim, sizes.key_tile,
            padded(sizes.qk_dim));
  load_tile(s.values, a.v.at(row, group * sizes.vo_dim), a.v.stride, count, sizes.vo_dim, sizes.key_tile,
            padded(sizes.vo_dim));
}

/// Step 2 for `count` queries from `query` on and the tile of keys from `key` on.
template <typename E>
__device__ inline void score_gradients(const AttentionSizes& sizes, const BackwardMemory<E>& s,
                                       std::int64_t query, int count, std::int64_t key, bool keep_weights) {
  const int qk = padded(sizes.qk_dim), vo = padded(sizes.vo_dim);
  multiply_tiles<Layout::plain, Layout::turned>(s.queries, s.keys, s.scores,
                                                {sizes.query_tile, sizes.key_tile, qk, false});
  multiply_tiles<Layout::plain, Layout::turned>(s.d_out, s.values, s.d_weights,
                                                {sizes.query_tile, sizes.key_tile, vo, false});
  __syncthreads();
  for (int row = warp_index(); row < sizes.query_tile; row += warp_count()) {
    const VisibleColumns visible =
        row < count ? visible_columns(sizes, query + row, key) : VisibleColumns{0, 0};
    const float log_sum_exp = s.log_sum_exp[row], product = s.products[row];
    for (int col = lane_index(); col < sizes.key_tile; col += warp_threads) {
      const bool seen = col >= visible.first && col < visible.last;
      const float weight = seen ? expf(sizes.scale * s.scores(row, col) - log_sum_exp) : 0.0f;
      const float d_score = seen ? sizes.scale * weight * (s.d_weights(row, col) - product) : 0.0f;
      if (keep_weights) {
        s.weights(row, col) = from_number<E>(weight);
      }
      s.d_scores(row, col) = from_number<E>(d_score);
    }
  }
  __syncthreads();
}

/// Step 3. Blocks: tiles of keys along x, groups along y, sequences along z.
template <typename E, typename G>
__global__ void attention_backward_by_keys(BackwardArguments<E, G> a) {
  const AttentionSizes& sizes = a.sizes;
  const BackwardMemory<E> s(sizes, true, shared_memory());
  const int qk = padded(sizes.qk_dim), vo = padded(sizes.vo_dim);
  const std::int64_t group = blockIdx.y, first_row = blockIdx.z * sizes.key_length;
  const std::int64_t key = static_cast<std::int64_t>(blockIdx.x) * sizes.key_tile;
  const int keys = static_cast<int>(smaller(sizes.key_tile, sizes.key_length - key));
  const std::int64_t last_query = smaller(sizes.query_length, key + keys - 1 + sizes.window);
  load_keys(a, s, first_row + key, group, keys);
  clear_tile(s.first_sum, sizes.key_tile, qk);
  clear_tile(s.second_sum, sizes.key_tile, vo);
  for (std::int64_t h = 0; h < sizes.queries_per_group; ++h) {
    const std::int64_t head = group * sizes.queries_per_group + h;
    for (std::int64_t query = key; query < last_query; query += sizes.query_tile) {
      const int count = static_cast<int>(smaller(sizes.query_tile, sizes.query_length - query));
      __syncthreads();
      load_queries(a, s, first_row + query, head, count);
      __syncthreads();
      score_gradients(sizes, s, query, count, key, true);
      multiply_tiles<Layout::turned, Layout::plain>(s.weights, s.d_out, s.second_sum,
                                                    {sizes.key_tile, vo, sizes.query_tile, true});
      multiply_tiles<Layout::turned, Layout::plain>(s.d_scores, s.queries, s.first_sum,
                                                    {sizes.key_tile, qk, sizes.query_tile, true});
    }
  }
  __syncthreads();
  const auto one = [](int) { return 1.0f; };
  store_tile(s.first_sum, a.d_k.at(first_row + key, group * sizes.qk_dim), a.d_k.stride, keys, sizes.qk_dim,
             one);
  store_tile(s.second_sum, a.d_v.at(first_row + key, group * sizes.vo_dim), a.d_v.stride, keys, sizes.vo_dim,
             one);
}

/// Step 4. Blocks as QueryBlock has them.
template <typename E, typename G>
__global__ void attention_backward_by_queries(BackwardArguments<E, G> a) {
  const AttentionSizes& sizes = a.sizes;
  const BackwardMemory<E> s(sizes, false, shared_memory());
  const QueryBlock block(sizes);
  const int qk = padded(sizes.qk_dim);
  load_queries(a, s, block.query_row, block.head, block.count);
  clear_tile(s.first_sum, sizes.query_tile, qk);
  for (std::int64_t key = block.first_key(sizes); key < block.last_key(sizes); key += sizes.key_tile) {
    const int keys = static_cast<int>(smaller(sizes.key_tile, sizes.key_length - key));
    __syncthreads();
    load_keys(a, s, block.key_row + key, block.group, keys);
    __syncthreads();
    score_gradients(sizes, s, block.query, block.count, key, false);
    multiply_tiles<Layout::plain, Layout::plain>(s.d_scores, s.keys, s.first_sum,
                                                 {sizes.query_tile, qk, sizes.key_tile, true});
  }
  __syncthreads();
  store_tile(s.first_sum, a.d_q.at(block.query_row, block.head * sizes.qk_dim), a.d_q.stride, block.count,
             sizes.qk_dim, [](int) { return 1.0f; });
}

}  // namespace cce::cuda_kernels
