#include "common/model/compression_plan.h"

#include <numeric>

#include "common/base/error.h"
#include "common/model/layer_parts.h"

namespace cce {
namespace {

std::vector<std::int32_t> all_up_to(std::int64_t count) {
  std::vector<std::int32_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& found,
                         const std::string& expected) {
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = where + ", " + what,
              .found = found,
              .expected = expected,
              .remedy = "Use the plan with the model it was made for"};
}

void check_indices(const std::string& where, const std::string& what,
                   const std::vector<std::int32_t>& indices, std::int64_t limit) {
  std::int64_t previous = -1;
  for (const std::int32_t index : indices) {
    if (index <= previous || index >= limit) {
      refuse(where, what, std::to_string(index),
             "ascending indices, each once, below " + std::to_string(limit));
    }
    previous = index;
  }
  if (indices.empty()) {
    refuse(where, what, "none kept", "at least one");
  }
}

/// Kept pairs as indices into the original head, group by group; empty where every pair of it survives.
std::vector<std::int32_t> surviving_pairs(const LayerShape& dense, const LayerPlan& plan) {
  const std::int64_t pairs_before = dense.qk_dim / 2;
  const bool all_kept = static_cast<std::int64_t>(plan.rope_pairs.front().size()) == pairs_before;
  std::vector<std::int32_t> pairs;
  if (all_kept && dense.rope_pairs.empty()) {
    return pairs;
  }
  for (std::size_t kept = 0; kept < plan.kv_groups.size(); ++kept) {
    for (const std::int32_t pair : plan.rope_pairs[kept]) {
      const std::int64_t flat = plan.kv_groups[kept] * pairs_before + pair;
      pairs.push_back(dense.rope_pairs.empty() ? pair : dense.rope_pairs[static_cast<std::size_t>(flat)]);
    }
  }
  return pairs;
}

void apply_attention(const std::string& where, const LayerPlan& plan, const LayerShape& dense,
                     LayerShape& shape) {
  check_indices(where, "kv_groups", plan.kv_groups, dense.kv_groups);
  if (plan.vo_dim < 1 || plan.vo_dim > dense.vo_dim) {
    refuse(where, "vo_dim", std::to_string(plan.vo_dim), "between 1 and " + std::to_string(dense.vo_dim));
  }
  if (plan.rope_pairs.size() != plan.kv_groups.size()) {
    refuse(where, "rope_pairs", std::to_string(plan.rope_pairs.size()) + " groups",
           std::to_string(plan.kv_groups.size()));
  }
  for (const std::vector<std::int32_t>& pairs : plan.rope_pairs) {
    check_indices(where, "rope_pairs", pairs, dense.qk_dim / 2);
    if (pairs.size() != plan.rope_pairs.front().size()) {
      refuse(where, "rope_pairs", std::to_string(pairs.size()) + " pairs in one group",
             std::to_string(plan.rope_pairs.front().size()) + " in every group");
    }
  }
  const std::int64_t pairs_before = dense.qk_dim / 2;
  const auto pairs_kept = static_cast<std::int64_t>(plan.rope_pairs.front().size());
  if (dense.keeps_qk_whole() && pairs_kept != pairs_before) {
    refuse(where, "rope_pairs", std::to_string(pairs_kept) + " pairs of heads that are normed",
           "all " + std::to_string(pairs_before));
  }
  if (dense.keeps_groups_whole() && static_cast<std::int64_t>(plan.kv_groups.size()) != dense.kv_groups) {
    refuse(where, "kv_groups",
           std::to_string(plan.kv_groups.size()) + " groups of heads that are normed together",
           "all " + std::to_string(dense.kv_groups));
  }
  shape.kv_groups = static_cast<std::int64_t>(plan.kv_groups.size());
  shape.vo_dim = plan.vo_dim;
  shape.qk_dim = 2 * static_cast<std::int64_t>(plan.rope_pairs.front().size());
  shape.rope_pairs = surviving_pairs(dense, plan);
}

}  // namespace

LayerShape shape_after(const LayerShape& dense, const LayerPlan& plan, const std::string& where) {
  LayerShape shape = dense;
  if (plan.keep_attention && !dense.has_attention) {
    refuse(where, "keep_attention", "true", "false: the model has no attention here");
  }
  if (plan.keep_ffn && !dense.has_ffn) {
    refuse(where, "keep_ffn", "true", "false: the model has no FFN here");
  }
  if (plan.keep_attention) {
    apply_attention(where, plan, dense, shape);
  } else {
    remove_sub_block(shape, SubBlock::attention);
  }
  if (plan.keep_ffn) {
    check_indices(where, "ffn_neurons", plan.ffn_neurons, dense.ffn_width);
    shape.ffn_width = static_cast<std::int64_t>(plan.ffn_neurons.size());
  } else {
    remove_sub_block(shape, SubBlock::ffn);
  }
  return shape;
}

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
    compressed.layers[i] = shape_after(dense.layers[i], plan.layers[i], "plan, layer " + std::to_string(i));
  }
  return compressed;
}

}  // namespace cce
