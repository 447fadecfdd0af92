#pragma once
#include "worker/tensor/cpu/kernels/packing.h"
#include "worker/tensor/ops/attention/attention_kernel_table.h"
#include "worker/tensor/ops/output/softmax_kernels.h"
#include "worker/tensor/ops/rows/row_kernels.h"

/// Attention with an online softmax (Milakov and Gimelshein 2018; Dao et al. 2022) over tiles of queries ×
/// keys.
namespace cce {
namespace {

constexpr std::int64_t query_tile = 64;
constexpr std::int64_t key_tile = 256;

/// Scratch of one job: E is what the products compute in.
template <typename E>
struct ForwardScratch {
  E* keys;         ///< panels of Kᵀ
  E* values;       ///< panels of V
  E* queries;      ///< query_tile × padded qk_dim
  float* scores;   ///< query_tile × key_tile
  E* weights;      ///< query_tile × key_tile
  float* outputs;  ///< query_tile × padded vo_dim
  float* row_maximum;
  float* row_sum;
  float* shrink;  ///< of each row, by what came before
  std::size_t bytes;

  ForwardScratch(const AttentionShape& shape, std::byte* block) {
    Scratch scratch(block);
    const std::int64_t keys_padded = padded(shape.key_length);
    keys = scratch.take<E>(keys_padded * padded(shape.qk_dim));
    values = scratch.take<E>(keys_padded * padded(shape.vo_dim));
    queries = scratch.take<E>(query_tile * padded(shape.qk_dim));
    scores = scratch.take<float>(query_tile * key_tile);
    weights = scratch.take<E>(query_tile * key_tile);
    outputs = scratch.take<float>(query_tile * padded(shape.vo_dim));
    row_maximum = scratch.take<float>(query_tile);
    row_sum = scratch.take<float>(query_tile);
    shrink = scratch.take<float>(query_tile);
    bytes = scratch.used();
  }
};

/// The keys [first, last) that a query sees.
struct Visible {
  std::int64_t first, last;
};

inline Visible visible_keys(const AttentionShape& shape, std::int64_t query) {
  const std::int64_t position = shape.key_length - shape.query_length + query;
  const std::int64_t first = shape.window ? most(0, position - *shape.window + 1) : 0;
  return {first, position + 1};
}

/// The vectors that hold columns [first, last): [begin, end), of which [whole_begin, whole_end) lie inside
/// altogether.
struct VectorRange {
  std::int64_t begin, whole_begin, whole_end, end;
  VectorRange(std::int64_t first, std::int64_t last)
      : begin(first / lanes * lanes),
        whole_begin((first + lanes - 1) / lanes * lanes),
        whole_end(most(whole_begin, last / lanes * lanes)),
        end((last + lanes - 1) / lanes * lanes) {}

  /// Calls body for the vectors that are partly inside: at most one on either side.
  template <typename Body>
  void for_each_edge(Body body) const {
    if (begin < whole_begin) {
      body(begin);
    }
    if (whole_end < end) {
      body(whole_end);
    }
  }
};

/// max of row[first … last)
inline float range_maximum(const float* row, std::int64_t first, std::int64_t last) {
  const VectorRange range(first, last);
  Floats best = splat(minus_infinity), other = best;
  range.for_each_edge([&](std::int64_t i) {
    best = larger(keep_range(load(row + i, AllLanes{}), i, first, last, minus_infinity), best);
  });
  std::int64_t i = range.whole_begin;
  for (; i + 2 * lanes <= range.whole_end; i += 2 * lanes) {
    best = larger(load(row + i, AllLanes{}), best);
    other = larger(load(row + i + lanes, AllLanes{}), other);
  }
  if (i < range.whole_end) {
    best = larger(load(row + i, AllLanes{}), best);
  }
  return maximum(larger(best, other));
}

/// weights ← exp(scale scores − row_maximum) on [first, last) and 0 elsewhere, `width` in all. Returns their
/// sum.
template <typename E>
inline float weigh_row(const float* scores, E* weights, std::int64_t first, std::int64_t last,
                       std::int64_t width, float scale, float row_maximum) {
  const VectorRange range(first, last);
  Floats total{};
  const auto weigh = [&](std::int64_t i) {
    return exponential(load(scores + i, AllLanes{}) * scale - row_maximum);
  };
  range.for_each_edge([&](std::int64_t i) {
    const Floats p = keep_range(weigh(i), i, first, last, 0.0f);
    total += p;
    store(p, weights + i, AllLanes{});
  });
  for (std::int64_t i = range.whole_begin; i < range.whole_end; i += lanes) {
    const Floats p = weigh(i);
    total += p;
    store(p, weights + i, AllLanes{});
  }
  for (std::int64_t i = 0; i < range.begin; i += lanes) {
    store(Floats{}, weights + i, AllLanes{});
  }
  for (std::int64_t i = range.end; i < width; i += lanes) {
    store(Floats{}, weights + i, AllLanes{});
  }
  return sum(total);
}

/// The softmax of one tile of scores, keys [key, key + width): raises the rows' maxima, shrinks what was
/// summed before by as much, writes the weights and adds them up. All maxima first: rows then wait for
/// nothing.
template <typename E>
inline void softmax_tile(const AttentionShape& shape, const ForwardScratch<E>& s, std::int64_t first_query,
                         std::int64_t count, std::int64_t key, std::int64_t width, bool first_tile) {
  const auto scale = static_cast<float>(shape.scale);
  const std::int64_t vo = padded(shape.vo_dim);
  const auto columns = [&](std::int64_t r) {
    const Visible visible = visible_keys(shape, first_query + r);
    const std::int64_t first = least(most(visible.first - key, 0), width);
    return Visible{first, most(first, least(visible.last - key, width))};
  };
  for (std::int64_t r = 0; r < count; ++r) {
    const Visible range = columns(r);
    s.shrink[r] = scale * range_maximum(s.scores + r * key_tile, range.first, range.last);
  }
  for (std::int64_t r = 0; r < count; r += lanes) {
    const Floats before = load(s.row_maximum + r, AllLanes{});
    const Floats after = larger(load(s.shrink + r, AllLanes{}), before);
    const Floats shrink = exponential(before - after);
    store(after, s.row_maximum + r, AllLanes{});
    store(load(s.row_sum + r, AllLanes{}) * shrink, s.row_sum + r, AllLanes{});
    store(shrink, s.shrink + r, AllLanes{});
  }
  for (std::int64_t r = 0; r < count; ++r) {
    const Visible range = columns(r);
    s.row_sum[r] += weigh_row(s.scores + r * key_tile, s.weights + r * key_tile, range.first, range.last,
                              width, scale, s.row_maximum[r]);
    if (s.shrink[r] != 1.0f && !first_tile) {
      scale_row(s.outputs + r * vo, DType::f32, s.shrink[r], s.outputs + r * vo, DType::f32, vo);
    }
  }
}

/// One head's queries [first_query, first_query + count) of the job.
template <typename E, typename T>
inline void forward_query_tile(const AttentionJob& job, const ForwardScratch<E>& scratch, std::int64_t head,
                               std::int64_t first_query, std::int64_t count) {
  const AttentionShape& shape = job.shape;
  const std::int64_t qk = padded(shape.qk_dim), vo = padded(shape.vo_dim);
  const std::int64_t rows = padded(count), key_depth = padded(shape.key_length);
  const T* q = static_cast<const T*>(job.q) + first_query * job.q_stride + head * shape.qk_dim;
  pack_rows(Source<T>{q, job.q_stride, count, shape.qk_dim}, scratch.queries, qk);
  for (std::int64_t r = 0; r < rows; ++r) {
    scratch.row_maximum[r] = -3.0e38f;
    scratch.row_sum[r] = 0.0f;
  }
  clear(scratch.outputs, rows * vo);
  const std::int64_t first_key = visible_keys(shape, first_query).first / tile_side * tile_side;
  const std::int64_t last_key = visible_keys(shape, first_query + count - 1).last;
  for (std::int64_t key = first_key; key < last_key; key += key_tile) {
    const std::int64_t width = padded(least(key_tile, last_key - key));
    multiply_tiles(ProductArguments<E>{scratch.queries, qk, scratch.keys + key * qk, qk * lanes,
                                       scratch.scores, key_tile, rows, width, qk, false});
    softmax_tile(shape, scratch, first_query, count, key, width, key == first_key);
    multiply_tiles(ProductArguments<E>{scratch.weights, key_tile, scratch.values + key * lanes,
                                       key_depth * lanes, scratch.outputs, vo, rows, vo, width, true});
  }
  T* out = static_cast<T*>(job.out) + first_query * job.out_stride + head * shape.vo_dim;
  for (std::int64_t r = 0; r < count; ++r) {
    scale_row(scratch.outputs + r * vo, DType::f32, 1.0f / scratch.row_sum[r], out + r * job.out_stride,
              sizeof(T) == sizeof(float) ? DType::f32 : DType::bf16, shape.vo_dim);
    if (job.log_sum_exp != nullptr) {
      job.log_sum_exp[(first_query + r) * job.log_sum_exp_stride + head] =
          scratch.row_maximum[r] + __builtin_logf(scratch.row_sum[r]);
    }
  }
}

template <typename E, typename T>
inline void attention_forward_typed(const AttentionJob& job) {
  const AttentionShape& shape = job.shape;
  const TileSession tiles;
  const ForwardScratch<E> scratch(shape, job.scratch);
  pack_panels_transposed(
      Source<T>{static_cast<const T*>(job.k), job.k_stride, shape.key_length, shape.qk_dim}, scratch.keys);
  pack_panels(Source<T>{static_cast<const T*>(job.v), job.v_stride, shape.key_length, shape.vo_dim},
              scratch.values);
  clear(scratch.weights, query_tile * key_tile);
  for (std::int64_t head = 0; head < shape.queries_per_group; ++head) {
    for (std::int64_t query = 0; query < shape.query_length; query += query_tile) {
      forward_query_tile<E, T>(job, scratch, head, query, least(query_tile, shape.query_length - query));
    }
  }
}

/// Σ over queries ≥ first_query of (Σ_j p_j² / n − 1/n²), one head.
template <typename E, typename T>
inline double head_variance(const AttentionJob& job, const ForwardScratch<E>& scratch, std::int64_t head) {
  const AttentionShape& shape = job.shape;
  const std::int64_t qk = padded(shape.qk_dim);
  const auto scale = static_cast<float>(shape.scale);
  const std::int64_t offset = shape.key_length - shape.query_length;
  double total = 0.0;
  for (std::int64_t query = most(0, job.first_query - offset); query < shape.query_length;
       query += query_tile) {
    const std::int64_t count = least(query_tile, shape.query_length - query);
    const T* q = static_cast<const T*>(job.q) + query * job.q_stride + head * shape.qk_dim;
    pack_rows(Source<T>{q, job.q_stride, count, shape.qk_dim}, scratch.queries, qk);
    clear(scratch.row_sum, query_tile);
    const std::int64_t first_key = visible_keys(shape, query).first / tile_side * tile_side;
    const std::int64_t last_key = visible_keys(shape, query + count - 1).last;
    for (std::int64_t key = first_key; key < last_key; key += key_tile) {
      const std::int64_t width = padded(least(key_tile, last_key - key));
      multiply_tiles(ProductArguments<E>{scratch.queries, qk, scratch.keys + key * qk, qk * lanes,
                                         scratch.scores, key_tile, padded(count), width, qk, false});
      for (std::int64_t r = 0; r < count; ++r) {
        const Visible visible = visible_keys(shape, query + r);
        const std::int64_t first = most(visible.first - key, 0), last = least(visible.last - key, width);
        const float log_sum_exp = job.log_sum_exp[(query + r) * job.log_sum_exp_stride + head];
        Floats squares{};
        for (std::int64_t i = first / lanes * lanes; i < last; i += lanes) {
          const Floats p =
              exponential(load(scratch.scores + r * key_tile + i, AllLanes{}) * scale - log_sum_exp);
          squares += keep_range(p * p, i, first, last, 0.0f);
        }
        scratch.row_sum[r] += sum(squares);
      }
    }
    for (std::int64_t r = 0; r < count; ++r) {
      const Visible visible = visible_keys(shape, query + r);
      const auto n = static_cast<double>(visible.last - visible.first);
      total += static_cast<double>(scratch.row_sum[r]) / n - 1.0 / (n * n);
    }
  }
  return total;
}

template <typename E, typename T>
inline void attention_variance_typed(const AttentionJob& job) {
  const AttentionShape& shape = job.shape;
  const TileSession tiles;
  const ForwardScratch<E> scratch(shape, job.scratch);
  pack_panels_transposed(
      Source<T>{static_cast<const T*>(job.k), job.k_stride, shape.key_length, shape.qk_dim}, scratch.keys);
  for (std::int64_t head = 0; head < shape.queries_per_group; ++head) {
    job.variance[head] += head_variance<E, T>(job, scratch, head);
  }
}

}  // namespace
}  // namespace cce
