#include "worker/model/pruned_layer.h"

#include <algorithm>
#include <span>
#include <vector>

namespace cce {
namespace {

using Indices = std::vector<std::int64_t>;

/// Widened.
Indices indices_of(std::span<const std::int32_t> kept) {
  return {kept.begin(), kept.end()};
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

/// Rows of q (heads_per_group = R) or k (1) that stay: dims pair and pair + qk_dim / 2 of every kept group's
/// heads.
Indices rotary_rows(const LayerShape& dense, std::int64_t heads_per_group, const LayerPlan& plan) {
  Indices rows;
  for (std::size_t i = 0; i < plan.kv_groups.size(); ++i) {
    for (std::int64_t head = 0; head < heads_per_group; ++head) {
      const std::int64_t first = (plan.kv_groups[i] * heads_per_group + head) * dense.qk_dim;
      for (const std::int64_t half : {std::int64_t{0}, dense.qk_dim / 2}) {
        for (const std::int32_t pair : plan.rope_pairs[i]) {
          rows.push_back(first + half + pair);
        }
      }
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

/// What stays of each extent that a plan cuts, as indices into the dense layer.
struct Selection {
  Indices queries, keys, values, outputs, neurons;

  /// nullptr: all of it.
  const Indices* of(Extent extent) const {
    switch (extent) {
      case Extent::one:
      case Extent::hidden:
      case Extent::query_norm:
      case Extent::key_norm:
        break;
      case Extent::queries:
        return &queries;
      case Extent::keys:
        return &keys;
      case Extent::values:
        return &values;
      case Extent::outputs:
        return &outputs;
      case Extent::neurons:
        return &neurons;
    }
    return nullptr;
  }
};

HostMatrix select(const HostMatrix& source, const Indices* rows, const Indices* columns) {
  if (rows != nullptr) return select_rows(source, *rows);
  return columns != nullptr ? select_columns(source, *columns) : source;
}

}  // namespace

HostLayer prune_layer(const LayerWeights& dense, const LayerPlan& plan) {
  const HostLayer whole = to_host_layer(dense);
  HostLayer kept;
  kept.shape = shape_after(whole.shape, plan, "plan");
  Selection selection;
  if (kept.shape.has_attention) {
    kept.shape.vo_dim = whole.shape.vo_dim;
    const Indices groups = indices_of(plan.kv_groups);
    selection.queries = rotary_rows(whole.shape, whole.shape.queries_per_group, plan);
    selection.keys = rotary_rows(whole.shape, 1, plan);
    selection.values = value_indices(whole.shape, 1, groups);
    selection.outputs = value_indices(whole.shape, whole.shape.queries_per_group, groups);
  }
  if (kept.shape.has_ffn) selection.neurons = indices_of(plan.ffn_neurons);
  for (const LayerPart& part : layer_parts()) {
    if (has_part(kept.shape, part)) {
      part_view(kept, part.role) =
          select(part_view(whole, part.role), selection.of(part.rows), selection.of(part.cols));
    }
  }
  return kept;
}

}  // namespace cce
