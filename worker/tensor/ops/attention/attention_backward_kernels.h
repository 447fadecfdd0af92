#pragma once
#include "worker/tensor/cpu/kernels/packing.h"
#include "worker/tensor/ops/attention/attention_kernel_table.h"
#include "worker/tensor/ops/output/softmax_kernels.h"
#include "worker/tensor/ops/rows/row_kernels.h"

/// Gradients of attention, recomputing the weights tile by tile (Dao et al. 2022). All tiles are transposed,
/// keys × queries, so that what belongs to a query (log-sum-exp, D) is a vector along the columns:
///   1. Pᵀ  = exp(scale K Qᵀ − lse)
///   2. dV += Pᵀ dO
///   3. dPᵀ = V dOᵀ
///   4. dSᵀ = scale Pᵀ ⊙ (dPᵀ − D),  D_q = dO_q · O_q
///   5. dK += dSᵀ Q
///   6. dQᵀ += Kᵀ dSᵀ
namespace cce {
namespace {

constexpr std::int64_t backward_tile = 128;

/// E is what the products compute in.
template <typename E>
struct BackwardScratch {
  std::int64_t length, qk, vo;  ///< padded
  std::int64_t long_stride;  ///< of matrices dims × length: not a power of two, which would share cache sets
  E *key_rows, *key_columns, *value_rows;
  E *query_panels, *query_panels_transposed, *d_out_panels, *d_out_panels_transposed;
  E *weights, *d_scores, *d_score_panels;  ///< backward_tile²
  float *scores, *d_weights;               ///< backward_tile²
  float *d_keys, *d_values;                ///< length × dim
  float* d_queries;                        ///< qk × length
  float *log_sum_exp, *products;           ///< lse and D of every query
  std::size_t bytes;

  BackwardScratch(const AttentionShape& shape, std::byte* block)
      : length((shape.key_length + backward_tile - 1) / backward_tile * backward_tile),
        qk(padded(shape.qk_dim)),
        vo(padded(shape.vo_dim)),
        long_stride(length + tile_side) {
    Scratch scratch(block);
    key_rows = scratch.take<E>(length * qk);
    key_columns = scratch.take<E>(qk * long_stride);
    value_rows = scratch.take<E>(length * vo);
    query_panels = scratch.take<E>(length * qk);
    query_panels_transposed = scratch.take<E>(length * qk);
    d_out_panels = scratch.take<E>(length * vo);
    d_out_panels_transposed = scratch.take<E>(length * vo);
    weights = scratch.take<E>(backward_tile * backward_tile);
    d_scores = scratch.take<E>(backward_tile * backward_tile);
    d_score_panels = scratch.take<E>(backward_tile * backward_tile);
    scores = scratch.take<float>(backward_tile * backward_tile);
    d_weights = scratch.take<float>(backward_tile * backward_tile);
    d_keys = scratch.take<float>(length * qk);
    d_values = scratch.take<float>(length * vo);
    d_queries = scratch.take<float>(qk * long_stride);
    log_sum_exp = scratch.take<float>(length);
    products = scratch.take<float>(length);
    bytes = scratch.used();
  }
};

/// Step 1 for one tile: weights in both precisions. Padded queries have lse = ∞, hence weight 0.
template <typename E>
inline void backward_weights(const AttentionShape& shape, const BackwardScratch<E>& scratch, std::int64_t key,
                             std::int64_t query, std::int64_t keys, std::int64_t queries) {
  const auto scale = static_cast<float>(shape.scale);
  const std::int64_t window = shape.window ? *shape.window : shape.key_length;
  const bool masked = key + keys > query || query + queries - key > window;
  for (std::int64_t i = 0; i < keys; ++i) {
    float* row = scratch.scores + i * backward_tile;
    E* weights = scratch.weights + i * backward_tile;
    for (std::int64_t j = 0; j < queries; j += lanes) {
      const Floats lse = load(scratch.log_sum_exp + query + j, AllLanes{});
      Floats p = exponential(load(row + j, AllLanes{}) * scale - lse);
      if (masked) {  // the query sees keys [query − window + 1, query]
        p = keep_range(p, j, key + i - query, least(key + i + window, shape.key_length) - query, 0.0f);
      }
      store(p, row + j, AllLanes{});
      store(p, weights + j, AllLanes{});
    }
  }
}

/// Step 4 for one tile, as rows and as panels.
template <typename E>
inline void backward_scores(const AttentionShape& shape, const BackwardScratch<E>& scratch,
                            std::int64_t query, std::int64_t keys, std::int64_t queries) {
  const auto scale = static_cast<float>(shape.scale);
  for (std::int64_t i = 0; i < keys; i += 2) {
    for (std::int64_t j = 0; j < queries; j += lanes) {
      const Floats product = load(scratch.products + query + j, AllLanes{});
      const std::int64_t at = i * backward_tile + j;
      const Floats even = scale * load(scratch.scores + at, AllLanes{}) *
                          (load(scratch.d_weights + at, AllLanes{}) - product);
      const Floats odd = scale * load(scratch.scores + at + backward_tile, AllLanes{}) *
                         (load(scratch.d_weights + at + backward_tile, AllLanes{}) - product);
      store(even, scratch.d_scores + at, AllLanes{});
      store(odd, scratch.d_scores + at + backward_tile, AllLanes{});
      store_panel_pair(even, odd, scratch.d_score_panels + panel_index<E>(i, j, backward_tile));
    }
  }
}

template <typename E>
inline void backward_tile_products(const AttentionShape& shape, const BackwardScratch<E>& s, std::int64_t key,
                                   std::int64_t query) {
  const std::int64_t side = backward_tile;
  const std::int64_t keys = least(side, padded(shape.key_length - key));
  const std::int64_t queries = least(side, padded(shape.query_length - query));
  const std::int64_t depth = padded(shape.key_length);
  multiply_tiles(ProductArguments<E>{s.key_rows + key * s.qk, s.qk, s.query_panels_transposed + query * s.qk,
                                     s.qk * lanes, s.scores, side, keys, queries, s.qk, false});
  backward_weights(shape, s, key, query, keys, queries);
  multiply_tiles(ProductArguments<E>{s.weights, side, s.d_out_panels + query * lanes, depth * lanes,
                                     s.d_values + key * s.vo, s.vo, keys, s.vo, queries, true});
  multiply_tiles(ProductArguments<E>{s.value_rows + key * s.vo, s.vo,
                                     s.d_out_panels_transposed + query * s.vo, s.vo * lanes, s.d_weights,
                                     side, keys, queries, s.vo, false});
  backward_scores(shape, s, query, keys, queries);
  multiply_tiles(ProductArguments<E>{s.d_scores, side, s.query_panels + query * lanes, depth * lanes,
                                     s.d_keys + key * s.qk, s.qk, keys, s.qk, queries, true});
  multiply_tiles(ProductArguments<E>{s.key_columns + key, s.long_stride, s.d_score_panels, side * lanes,
                                     s.d_queries + query, s.long_stride, s.qk, queries, keys, true});
}

/// Packs one head's queries and output gradients; lse and D of its queries.
template <typename E, typename T>
inline void backward_pack_head(const AttentionJob& job, const BackwardScratch<E>& s, std::int64_t head) {
  const AttentionShape& shape = job.shape;
  const std::int64_t n = shape.query_length;
  const Source<T> q{static_cast<const T*>(job.q) + head * shape.qk_dim, job.q_stride, n, shape.qk_dim};
  const Source<T> d_out{static_cast<const T*>(job.d_out) + head * shape.vo_dim, job.d_out_stride, n,
                        shape.vo_dim};
  const T* out = static_cast<const T*>(job.out) + head * shape.vo_dim;
  pack_panels(q, s.query_panels);
  pack_panels_transposed(q, s.query_panels_transposed);
  pack_panels(d_out, s.d_out_panels);
  pack_panels_transposed(d_out, s.d_out_panels_transposed);
  for (std::int64_t i = 0; i < s.length; ++i) {
    s.log_sum_exp[i] = i < n ? job.log_sum_exp[i * job.log_sum_exp_stride + head] : -minus_infinity;
    s.products[i] = i < n ? dot(d_out.data + i * d_out.stride, out + i * job.out_stride, shape.vo_dim) : 0.0f;
  }
}

/// target[i][j] = source[j][i]
template <typename G>
inline void store_transposed(const float* source, std::int64_t source_stride, G* target,
                             std::int64_t target_stride, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t first = 0; first < rows; first += lanes) {
    const std::int64_t last = least(rows, first + lanes);
    for (std::int64_t j = 0; j < cols; ++j) {
      for (std::int64_t i = first; i < last; ++i) {
        target[i * target_stride + j] = element<G>(source[j * source_stride + i]);
      }
    }
  }
}

template <typename G>
inline void store_rows(const float* source, std::int64_t source_stride, G* target, std::int64_t target_stride,
                       std::int64_t rows, std::int64_t cols) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for_each_vector(cols, [&](std::int64_t j, auto part) {
      store(load(source + i * source_stride + j, part), target + i * target_stride + j, part);
    });
  }
}

template <typename E, typename T>
inline void attention_backward_typed(const AttentionJob& job) {
  const AttentionShape& shape = job.shape;
  const std::int64_t n = shape.key_length;
  const TileSession tiles;
  const BackwardScratch<E> s(shape, job.scratch);
  const Source<T> k{static_cast<const T*>(job.k), job.k_stride, n, shape.qk_dim};
  const Source<T> v{static_cast<const T*>(job.v), job.v_stride, n, shape.vo_dim};
  pack_rows(k, s.key_rows, s.qk);
  pack_columns(k, s.key_columns, s.long_stride);
  pack_rows(v, s.value_rows, s.vo);
  clear(s.d_keys, s.length * s.qk);
  clear(s.d_values, s.length * s.vo);
  for (std::int64_t head = 0; head < shape.queries_per_group; ++head) {
    backward_pack_head<E, T>(job, s, head);
    clear(s.d_queries, s.qk * s.long_stride);
    for (std::int64_t key = 0; key < n; key += backward_tile) {
      const std::int64_t end = shape.window ? least(n, key + backward_tile + *shape.window) : n;
      for (std::int64_t query = key; query < end; query += backward_tile) {
        backward_tile_products(shape, s, key, query);
      }
    }
    with_activation_type(job.gradient_dtype, [&]<typename G>(G*) {
      store_transposed(s.d_queries, s.long_stride, static_cast<G*>(job.d_q) + head * shape.qk_dim,
                       job.d_q_stride, n, shape.qk_dim);
    });
  }
  with_activation_type(job.gradient_dtype, [&]<typename G>(G*) {
    store_rows(s.d_keys, s.qk, static_cast<G*>(job.d_k), job.d_k_stride, n, shape.qk_dim);
    store_rows(s.d_values, s.vo, static_cast<G*>(job.d_v), job.d_v_stride, n, shape.vo_dim);
  });
}

}  // namespace
}  // namespace cce
