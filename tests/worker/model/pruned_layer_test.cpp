#include <gtest/gtest.h>

#include <algorithm>

#include "tests/common/error_matcher.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/random_layer.h"
#include "worker/model/block.h"
#include "worker/model/pruned_layer.h"

// Removing a structure computes what zeroing it in the dense layer computes.

namespace cce {
namespace {

constexpr std::int64_t hidden_size = 16;
constexpr TokenBatch batch{2, 6};

LayerShape dense_shape() {
  LayerShape shape = attention_shape_of(3, 2, 8, 5);
  shape.has_ffn = true;
  shape.ffn_width = 10;
  shape.q_bias = shape.k_bias = shape.v_bias = shape.o_bias = true;
  shape.gate_bias = shape.up_bias = shape.down_bias = true;
  return shape;
}

LayerPlan everything() {
  LayerPlan plan;
  plan.ffn_neurons = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
  plan.kv_groups = {0, 1, 2};
  plan.vo_dim = 5;
  plan.rope_pairs = {{0, 1, 2, 3}, {0, 1, 2, 3}, {0, 1, 2, 3}};
  return plan;
}

std::vector<float> outputs_of(const HostLayer& layer) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  BlockRunner blocks(*backend, tiny_config(layer.shape, hidden_size, 8));
  OwnedMatrix stream = uploaded(*backend, random_matrix(batch.tokens(), hidden_size, 4));
  OwnedMatrix features;
  run_layer(*backend, blocks, view_host_layer(layer, hidden_size), batch, stream.view(), features);
  return downloaded(*backend, stream.view()).values;
}

class PrunedLayer : public ::testing::Test {
 protected:
  PrunedLayer() : dense_(random_layer(dense_shape(), hidden_size, 11)), zeroed_(dense_) {}

  HostLayer prune(const LayerPlan& plan) const {
    return prune_layer(view_host_layer(dense_, hidden_size), plan);
  }
  void zero_row(HostMatrix& matrix, std::int64_t row) { std::fill_n(matrix.row(row), matrix.cols, 0.0f); }
  void zero_column(HostMatrix& matrix, std::int64_t column) {
    for (std::int64_t row = 0; row < matrix.rows; ++row) matrix.row(row)[column] = 0.0f;
  }

  HostLayer dense_, zeroed_;
};

TEST_F(PrunedLayer, a_plan_that_keeps_everything_changes_nothing) {
  const HostLayer kept = prune(everything());
  EXPECT_EQ(kept.shape, dense_.shape);
  for (const TensorRole role : layer_roles())
    EXPECT_EQ(part_view(kept, role).values, part_view(dense_, role).values);
}

TEST_F(PrunedLayer, neurons) {
  LayerPlan plan = everything();
  plan.ffn_neurons = {1, 4, 5, 9};
  for (const std::int64_t removed : {0, 2, 3, 6, 7, 8}) zero_column(zeroed_.down, removed);
  const HostLayer kept = prune(plan);
  EXPECT_EQ(kept.shape.ffn_width, 4);
  EXPECT_LE(relative_difference(outputs_of(kept), outputs_of(zeroed_)), 1e-6);
}

TEST_F(PrunedLayer, groups_take_their_queries_with_them) {
  LayerPlan plan = everything();
  plan.kv_groups = {0, 2};
  plan.rope_pairs.pop_back();
  for (std::int64_t column = 2 * 5; column < 4 * 5; ++column) zero_column(zeroed_.o, column);
  const HostLayer kept = prune(plan);
  EXPECT_EQ(kept.shape.query_heads(), 4);
  EXPECT_TRUE(kept.shape.rope_pairs.empty());
  EXPECT_LE(relative_difference(outputs_of(kept), outputs_of(zeroed_)), 1e-6);
}

TEST_F(PrunedLayer, pairs_differ_by_group) {
  LayerPlan plan = everything();
  plan.rope_pairs = {{1, 2}, {0, 3}, {2, 3}};
  for (std::int64_t head = 0; head < 6; ++head) {
    for (std::int32_t pair = 0; pair < 4; ++pair) {
      const std::vector<std::int32_t>& kept = plan.rope_pairs[static_cast<std::size_t>(head / 2)];
      if (std::find(kept.begin(), kept.end(), pair) != kept.end()) continue;
      for (const std::int64_t row : {head * 8 + pair, head * 8 + 4 + pair}) {
        zero_row(zeroed_.q, row);
        zeroed_.q_bias.values[static_cast<std::size_t>(row)] = 0.0f;
      }
    }
  }
  const HostLayer kept = prune(plan);
  EXPECT_EQ(kept.shape.qk_dim, 4);
  EXPECT_EQ(kept.shape.rope_pairs, (std::vector<std::int32_t>{1, 2, 0, 3, 2, 3}));
  EXPECT_LE(relative_difference(outputs_of(kept), outputs_of(zeroed_)), 1e-6);
}

TEST_F(PrunedLayer, a_second_selection_goes_on_from_the_first) {
  LayerPlan first = everything(), second, both = everything();
  first.kv_groups = {1, 2};
  first.rope_pairs = {{0, 1, 3}, {1, 2, 3}};
  first.ffn_neurons = {0, 3, 6, 9};
  second.kv_groups = {1};
  second.rope_pairs = {{0, 2}};
  second.ffn_neurons = {1, 3};
  second.vo_dim = 5;
  both.kv_groups = {2};
  both.rope_pairs = {{1, 3}};
  both.ffn_neurons = {3, 9};
  const HostLayer once = prune(first);
  const HostLayer twice = prune_layer(view_host_layer(once, hidden_size), second);
  const HostLayer direct = prune(both);
  EXPECT_EQ(twice.shape, direct.shape);
  for (const TensorRole role : layer_roles())
    EXPECT_EQ(part_view(twice, role).values, part_view(direct, role).values);
}

TEST_F(PrunedLayer, dropped_blocks_leave_no_parts) {
  LayerPlan plan = everything();
  plan.keep_attention = false;
  const HostLayer kept = prune(plan);
  EXPECT_FALSE(kept.shape.has_attention);
  EXPECT_FALSE(kept.shape.q_bias);
  EXPECT_TRUE(kept.q.empty() && kept.attention_norm.empty());
  EXPECT_FALSE(kept.gate.empty());
}

TEST_F(PrunedLayer, agrees_with_the_shapes_that_the_plan_promises) {
  CompressionPlan plan;
  plan.layers = {everything()};
  plan.layers[0].kv_groups = {0, 2};
  plan.layers[0].rope_pairs = {{0, 2, 3}, {1, 2, 3}};
  plan.layers[0].ffn_neurons = {2, 3};
  const ModelConfig promised = apply_plan(tiny_config(dense_shape(), hidden_size, 8), plan);
  EXPECT_EQ(prune(plan.layers[0]).shape, promised.layers[0]);
}

TEST_F(PrunedLayer, refuses_indices_outside_the_layer) {
  LayerPlan plan = everything();
  plan.ffn_neurons = {3, 10};
  expect_error([&] { prune(plan); }, ErrorCode::shape_mismatch, "ffn_neurons");
  plan = everything();
  plan.kv_groups = {2, 1};
  expect_error([&] { prune(plan); }, ErrorCode::shape_mismatch, "kv_groups");
  plan = everything();
  plan.rope_pairs[1] = {0};
  expect_error([&] { prune(plan); }, ErrorCode::shape_mismatch, "rope_pairs");
}

}  // namespace
}  // namespace cce
