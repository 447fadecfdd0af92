#include "common/model/compression_plan.h"

#include <gtest/gtest.h>

#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

ModelConfig small_model() {
  ModelConfig config;
  config.hidden_size = 16;
  config.vocabulary_size = 10;
  config.head_dim = 8;
  LayerShape shape;
  shape.kv_groups = 2;
  shape.queries_per_group = 2;
  shape.qk_dim = shape.vo_dim = 8;
  shape.ffn_width = 6;
  shape.q_bias = shape.gate_bias = true;
  config.layers = {shape, shape};
  return config;
}

TEST(CompressionPlanTest, keeping_all_changes_nothing) {
  const ModelConfig dense = small_model();
  EXPECT_EQ(apply_plan(dense, keep_all(dense)).layers, dense.layers);
}

TEST(CompressionPlanTest, shapes_after_a_plan) {
  const ModelConfig dense = small_model();
  CompressionPlan plan = keep_all(dense);
  plan.layers[0].ffn_neurons = {0, 5};
  plan.layers[0].kv_groups = {1};
  plan.layers[0].vo_dim = 3;
  plan.layers[0].rope_pairs = {{1, 3}};
  plan.layers[1].keep_attention = plan.layers[1].keep_ffn = false;
  const ModelConfig compressed = apply_plan(dense, plan);
  const LayerShape& first = compressed.layers[0];
  EXPECT_EQ(first.ffn_width, 2);
  EXPECT_EQ(first.kv_groups, 1);
  EXPECT_EQ(first.query_heads(), 2);
  EXPECT_EQ(first.vo_dim, 3);
  EXPECT_EQ(first.qk_dim, 4);
  EXPECT_EQ(first.rope_pairs, (std::vector<std::int32_t>{1, 3}));
  EXPECT_TRUE(first.q_bias);
  EXPECT_FALSE(compressed.layers[1].has_attention);
  EXPECT_FALSE(compressed.layers[1].q_bias);
  EXPECT_EQ(layer_parameters(compressed.layers[1], 16), 0);
}

TEST(CompressionPlanTest, a_second_plan_names_pairs_of_the_first_model) {
  const ModelConfig dense = small_model();
  CompressionPlan first = keep_all(dense);
  first.layers[0].rope_pairs = {{0, 2, 3}, {1, 2, 3}};
  const ModelConfig once = apply_plan(dense, first);
  CompressionPlan second = keep_all(once);
  second.layers[0].kv_groups = {1};
  second.layers[0].rope_pairs = {{0, 2}};
  EXPECT_EQ(apply_plan(once, second).layers[0].rope_pairs, (std::vector<std::int32_t>{1, 3}));
  EXPECT_EQ(apply_plan(once, keep_all(once)).layers, once.layers);
}

TEST(CompressionPlanTest, text_reads_back_equal) {
  CompressionPlan plan = keep_all(small_model());
  plan.price = 1.25e-7;
  plan.layers[1].predicted_ffn_nats = 0.1;
  plan.layers[1].measured_attention_nats = -0.25;
  const std::string text = to_json(plan);
  const CompressionPlan read_back = parse_compression_plan(text, "plan.json");
  EXPECT_EQ(to_json(read_back), text);
  EXPECT_EQ(read_back.price, plan.price);
  EXPECT_EQ(read_back.layers[1].predicted_ffn_nats, 0.1);
  EXPECT_EQ(read_back.layers[1].rope_pairs, plan.layers[1].rope_pairs);
}

TEST(CompressionPlanTest, heads_that_are_normed_keep_their_pairs) {
  ModelConfig dense = small_model();
  dense.layers[0].q_norm = dense.layers[0].k_norm = true;
  CompressionPlan plan = keep_all(dense);
  plan.layers[0].vo_dim = 3;
  plan.layers[0].kv_groups = {1};
  plan.layers[0].rope_pairs.pop_back();
  EXPECT_TRUE(apply_plan(dense, plan).layers[0].q_norm);
  plan.layers[0].rope_pairs[0].pop_back();
  expect_error([&] { apply_plan(dense, plan); }, ErrorCode::shape_mismatch, "heads that are normed");
}

struct MisfitRow {
  const char* name;
  void (*change)(CompressionPlan&);
  const char* message;
};

TEST(CompressionPlanTest, plans_that_do_not_fit_the_model) {
  const MisfitRow rows[] = {
      {"layers", [](CompressionPlan& p) { p.layers.pop_back(); }, "1 layers, expected 2"},
      {"neuron",
       [](CompressionPlan& p) {
         p.layers[1].ffn_neurons = {0, 6};
       },
       "layer 1, ffn_neurons: found 6"},
      {"order",
       [](CompressionPlan& p) {
         p.layers[0].ffn_neurons = {3, 3};
       },
       "ascending"},
      {"none", [](CompressionPlan& p) { p.layers[0].ffn_neurons = {}; }, "none kept"},
      {"group",
       [](CompressionPlan& p) {
         p.layers[0].kv_groups = {0, 2};
       },
       "kv_groups"},
      {"groups_of_pairs", [](CompressionPlan& p) { p.layers[0].kv_groups = {0}; }, "rope_pairs"},
      {"uneven_pairs", [](CompressionPlan& p) { p.layers[0].rope_pairs[1] = {0}; }, "in every group"},
      {"vo", [](CompressionPlan& p) { p.layers[0].vo_dim = 9; }, "vo_dim"},
  };
  for (const MisfitRow& row : rows) {
    SCOPED_TRACE(row.name);
    const ModelConfig dense = small_model();
    CompressionPlan plan = keep_all(dense);
    row.change(plan);
    expect_error([&] { apply_plan(dense, plan); }, ErrorCode::shape_mismatch, row.message);
  }
}

TEST(CompressionPlanTest, damaged_text_is_refused) {
  const Json good = parse_json(to_json(keep_all(small_model())), "plan.json");
  const std::pair<const char*, Json> rows[] = {
      {"/layers/0/ffn_neurons", {1, 0}}, {"/layers/0/kv_groups/0", -1}, {"/layers/1/vo_dim", "x"},
      {"/layers/1/predicted_nats", 3},   {"/schema_version", 7},        {"/extra", 1}};
  for (const auto& [pointer, value] : rows) {
    Json damaged = good;
    damaged[Json::json_pointer(pointer)] = value;
    EXPECT_THROW(parse_compression_plan(damaged.dump(), "plan.json"), Error) << pointer;
  }
}

}  // namespace
}  // namespace cce
