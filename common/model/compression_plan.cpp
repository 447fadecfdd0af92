#include "common/model/compression_plan.h"

#include <numeric>

#include "common/base/error.h"

namespace cce {
namespace {

std::vector<std::int32_t> all_up_to(std::int64_t count) {
  std::vector<std::int32_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

[[noreturn]] void refuse(std::size_t layer, const std::string& what, const std::string& found,
                         const std::string& expected) {
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = "plan, layer " + std::to_string(layer) + ", " + what,
              .found = found,
              .expected = expected,
              .remedy = "Use the plan with the model it was made for"};
}

void check_indices(std::size_t layer, const std::string& what, const std::vector<std::int32_t>& indices,
                   std::int64_t limit) {
  std::int64_t previous = -1;
  for (const std::int32_t index : indices) {
    if (index <= previous || index >= limit) {
      refuse(layer, what, std::to_string(index),
             "ascending indices, each once, below " + std::to_string(limit));
    }
    previous = index;
  }
  if (indices.empty()) {
    refuse(layer, what, "none kept", "at least one");
  }
}

/// Kept pairs as indices into the original head, group by group; empty where every pair of it survives in
/// order.
std::vector<std::int32_t> surviving_pairs(const LayerShape& dense, const LayerPlan& plan,
                                          std::int64_t head_dim) {
  const std::int64_t pairs_before = dense.qk_dim / 2;
  std::vector<std::int32_t> pairs;
  for (std::size_t kept = 0; kept < plan.kv_groups.size(); ++kept) {
    for (const std::int32_t pair : plan.rope_pairs[kept]) {
      const std::int64_t flat = plan.kv_groups[kept] * pairs_before + pair;
      pairs.push_back(dense.rope_pairs.empty() ? pair : dense.rope_pairs[static_cast<std::size_t>(flat)]);
    }
  }
  const bool all_kept = static_cast<std::int64_t>(plan.rope_pairs.front().size()) == head_dim / 2;
  return all_kept ? std::vector<std::int32_t>() : pairs;
}

void apply_attention(std::size_t index, const LayerPlan& plan, std::int64_t head_dim, const LayerShape& dense,
                     LayerShape& shape) {
  check_indices(index, "kv_groups", plan.kv_groups, dense.kv_groups);
  if (plan.vo_dim < 1 || plan.vo_dim > dense.vo_dim) {
    refuse(index, "vo_dim", std::to_string(plan.vo_dim), "between 1 and " + std::to_string(dense.vo_dim));
  }
  if (plan.rope_pairs.size() != plan.kv_groups.size()) {
    refuse(index, "rope_pairs", std::to_string(plan.rope_pairs.size()) + " groups",
           std::to_string(plan.kv_groups.size()));
  }
  for (const std::vector<std::int32_t>& pairs : plan.rope_pairs) {
    check_indices(index, "rope_pairs", pairs, dense.qk_dim / 2);
    if (pairs.size() != plan.rope_pairs.front().size()) {
      refuse(index, "rope_pairs", std::to_string(pairs.size()) + " pairs in one group",
             std::to_string(plan.rope_pairs.front().size()) + " in every group");
    }
  }
  shape.kv_groups = static_cast<std::int64_t>(plan.kv_groups.size());
  shape.vo_dim = plan.vo_dim;
  shape.qk_dim = 2 * static_cast<std::int64_t>(plan.rope_pairs.front().size());
  shape.rope_pairs = surviving_pairs(dense, plan, head_dim);
}

void drop_attention(LayerShape& shape) {
  shape.has_attention = false;
  shape.kv_groups = shape.queries_per_group = shape.qk_dim = shape.vo_dim = 0;
  shape.q_bias = shape.k_bias = shape.v_bias = shape.o_bias = false;
  shape.rope_pairs.clear();
}

void drop_ffn(LayerShape& shape) {
  shape.has_ffn = false;
  shape.ffn_width = 0;
  shape.gate_bias = shape.up_bias = shape.down_bias = false;
}

LayerShape apply_layer(std::size_t index, const LayerShape& dense, const LayerPlan& plan,
                       std::int64_t head_dim) {
  LayerShape shape = dense;
  if (plan.keep_attention && !dense.has_attention) {
    refuse(index, "keep_attention", "true", "false: the model has no attention here");
  }
  if (plan.keep_ffn && !dense.has_ffn) {
    refuse(index, "keep_ffn", "true", "false: the model has no FFN here");
  }
  if (plan.keep_attention) {
    apply_attention(index, plan, head_dim, dense, shape);
  } else {
    drop_attention(shape);
  }
  if (plan.keep_ffn) {
    check_indices(index, "ffn_neurons", plan.ffn_neurons, dense.ffn_width);
    shape.ffn_width = static_cast<std::int64_t>(plan.ffn_neurons.size());
  } else {
    drop_ffn(shape);
  }
  return shape;
}

}  // namespace

CompressionPlan keep_all(const ModelConfig& dense) {
  CompressionPlan plan;
  for (const LayerShape& shape : dense.layers) {
    LayerPlan layer;
    layer.keep_attention = shape.has_attention;
    layer.keep_ffn = shape.has_ffn;
    layer.ffn_neurons = all_up_to(shape.ffn_width);
    layer.kv_groups = all_up_to(shape.kv_groups);
    layer.vo_dim = shape.vo_dim;
    layer.rope_pairs.assign(static_cast<std::size_t>(shape.kv_groups), all_up_to(shape.qk_dim / 2));
    plan.layers.push_back(std::move(layer));
  }
  return plan;
}

ModelConfig apply_plan(const ModelConfig& dense, const CompressionPlan& plan) {
  if (plan.layers.size() != dense.layers.size()) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "plan",
                .found = std::to_string(plan.layers.size()) + " layers",
                .expected = std::to_string(dense.layers.size()),
                .remedy = "Use the plan with the model it was made for"};
  }
  ModelConfig compressed = dense;
  for (std::size_t i = 0; i < plan.layers.size(); ++i) {
    compressed.layers[i] = apply_layer(i, dense.layers[i], plan.layers[i], dense.head_dim);
  }
  return compressed;
}

}  // namespace cce
