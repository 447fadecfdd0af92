#include "worker/model/pruned_layer.h"

#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "common/base/error.h"

namespace cce {
namespace {

using Indices = std::vector<std::int64_t>;

/// Ascending indices below `count`, widened.
Indices checked_indices(std::span<const std::int32_t> kept, std::int64_t count, const char* what) {
  Indices result;
  std::int64_t last = -1;
  for (const std::int32_t index : kept) {
    if (index <= last || index >= count) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = what,
                  .found = "index " + std::to_string(index) + " after " + std::to_string(last),
                  .expected = "ascending indices below " + std::to_string(count),
                  .remedy = {}};
    }
    last = index;
    result.push_back(index);
  }
  return result;
}

HostMatrix select_rows(const HostMatrix& source, const Indices& rows) {
  HostMatrix result(static_cast<std::int64_t>(rows.size()), source.cols);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float* from = source.row(rows[i]);
    std::copy(from, from + source.cols, result.row(static_cast<std::int64_t>(i)));
  }
  return result;
}

HostMatrix select_columns(const HostMatrix& source, const Indices& columns) {
  HostMatrix result(source.rows, static_cast<std::int64_t>(columns.size()));
  for (std::int64_t row = 0; row < source.rows; ++row) {
    const float* from = source.row(row);
    float* to = result.row(row);
    for (std::size_t j = 0; j < columns.size(); ++j) to[j] = from[columns[j]];
  }
  return result;
}

HostMatrix select_bias(const HostMatrix& source, const Indices& columns) {
  return source.empty() ? HostMatrix{} : select_columns(source, columns);
}

/// Kept pairs of each kept group, as indices into the dense layer's pairs.
std::vector<Indices> kept_pairs(const LayerShape& dense, const LayerPlan& plan, std::size_t groups) {
  const std::int64_t dense_pairs = dense.qk_dim / 2;
  if (plan.rope_pairs.empty()) {
    Indices all(static_cast<std::size_t>(dense_pairs));
    std::iota(all.begin(), all.end(), 0);
    return std::vector<Indices>(groups, all);
  }
  if (plan.rope_pairs.size() != groups) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "rope_pairs",
                .found = std::to_string(plan.rope_pairs.size()) + " groups",
                .expected = std::to_string(groups) + ", one list for each kept group",
                .remedy = {}};
  }
  std::vector<Indices> result;
  for (const std::vector<std::int32_t>& pairs : plan.rope_pairs) {
    result.push_back(checked_indices(pairs, dense_pairs, "rope_pairs"));
    if (result.back().size() != result.front().size()) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = "rope_pairs",
                  .found = std::to_string(result.back().size()) + " pairs",
                  .expected = std::to_string(result.front().size()) + ", as in the layer's first group",
                  .remedy = {}};
    }
  }
  return result;
}

/// The pairs of the original head that the kept pairs are; empty where all remain.
std::vector<std::int32_t> original_pairs(const LayerShape& dense, const Indices& groups,
                                         const std::vector<Indices>& pairs) {
  const std::int64_t dense_pairs = dense.qk_dim / 2;
  const bool all_kept = static_cast<std::int64_t>(pairs.front().size()) == dense_pairs;
  if (all_kept && dense.rope_pairs.empty()) return {};
  std::vector<std::int32_t> result;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const std::int64_t pair : pairs[i]) {
      result.push_back(dense.rope_pairs.empty()
                           ? static_cast<std::int32_t>(pair)
                           : dense.rope_pairs[static_cast<std::size_t>(groups[i] * dense_pairs + pair)]);
    }
  }
  return result;
}

/// Rows of q (heads_per_group = R) or k (1) that stay: dims pair and pair + qk_dim / 2 of every kept group's
/// heads.
Indices rotary_rows(const LayerShape& dense, std::int64_t heads_per_group, const Indices& groups,
                    const std::vector<Indices>& pairs) {
  Indices rows;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::int64_t head = 0; head < heads_per_group; ++head) {
      const std::int64_t first = (groups[i] * heads_per_group + head) * dense.qk_dim;
      for (const std::int64_t pair : pairs[i]) rows.push_back(first + pair);
      for (const std::int64_t pair : pairs[i]) rows.push_back(first + dense.qk_dim / 2 + pair);
    }
  }
  return rows;
}

/// Rows of v, or columns of o: vo_dim for every head of the kept groups.
Indices value_indices(const LayerShape& dense, std::int64_t heads_per_group, const Indices& groups) {
  const std::int64_t width = heads_per_group * dense.vo_dim;
  Indices indices;
  for (const std::int64_t group : groups) {
    for (std::int64_t i = 0; i < width; ++i) indices.push_back(group * width + i);
  }
  return indices;
}

void keep_attention(const HostLayer& whole, const LayerPlan& plan, HostLayer& kept) {
  const LayerShape& dense = whole.shape;
  const Indices groups = checked_indices(plan.kv_groups, dense.kv_groups, "kv_groups");
  if (groups.empty()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "kv_groups",
                .found = "none, with keep_attention",
                .expected = "at least one group",
                .remedy = {}};
  }
  const std::vector<Indices> pairs = kept_pairs(dense, plan, groups.size());

  LayerShape& shape = kept.shape;
  shape.kv_groups = static_cast<std::int64_t>(groups.size());
  shape.queries_per_group = dense.queries_per_group;
  shape.qk_dim = 2 * static_cast<std::int64_t>(pairs.front().size());
  shape.vo_dim = dense.vo_dim;
  shape.rope_pairs = original_pairs(dense, groups, pairs);
  shape.q_bias = dense.q_bias;
  shape.k_bias = dense.k_bias;
  shape.v_bias = dense.v_bias;
  shape.o_bias = dense.o_bias;

  const Indices q_rows = rotary_rows(dense, dense.queries_per_group, groups, pairs);
  const Indices k_rows = rotary_rows(dense, 1, groups, pairs);
  const Indices v_rows = value_indices(dense, 1, groups);
  kept.attention_norm = whole.attention_norm;
  kept.q = select_rows(whole.q, q_rows);
  kept.k = select_rows(whole.k, k_rows);
  kept.v = select_rows(whole.v, v_rows);
  kept.o = select_columns(whole.o, value_indices(dense, dense.queries_per_group, groups));
  kept.q_bias = select_bias(whole.q_bias, q_rows);
  kept.k_bias = select_bias(whole.k_bias, k_rows);
  kept.v_bias = select_bias(whole.v_bias, v_rows);
  kept.o_bias = whole.o_bias;
}

void keep_ffn(const HostLayer& whole, const LayerPlan& plan, HostLayer& kept) {
  const LayerShape& dense = whole.shape;
  const Indices neurons = checked_indices(plan.ffn_neurons, dense.ffn_width, "ffn_neurons");
  if (neurons.empty()) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "ffn_neurons",
                .found = "none, with keep_ffn",
                .expected = "at least one neuron",
                .remedy = {}};
  }
  kept.shape.ffn_width = static_cast<std::int64_t>(neurons.size());
  kept.shape.gate_bias = dense.gate_bias;
  kept.shape.up_bias = dense.up_bias;
  kept.shape.down_bias = dense.down_bias;
  kept.ffn_norm = whole.ffn_norm;
  kept.gate = select_rows(whole.gate, neurons);
  kept.up = select_rows(whole.up, neurons);
  kept.down = select_columns(whole.down, neurons);
  kept.gate_bias = select_bias(whole.gate_bias, neurons);
  kept.up_bias = select_bias(whole.up_bias, neurons);
  kept.down_bias = whole.down_bias;
}

}  // namespace

HostLayer prune_layer(const LayerWeights& dense, const LayerPlan& plan) {
  const HostLayer whole = to_host_layer(dense);
  HostLayer kept;
  kept.shape.has_attention = whole.shape.has_attention && plan.keep_attention;
  kept.shape.has_ffn = whole.shape.has_ffn && plan.keep_ffn;
  if (kept.shape.has_attention) keep_attention(whole, plan, kept);
  if (kept.shape.has_ffn) keep_ffn(whole, plan, kept);
  return kept;
}

}  // namespace cce
