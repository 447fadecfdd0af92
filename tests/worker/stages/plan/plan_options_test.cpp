#include "worker/stages/plan/plan_options.h"

#include <gmock/gmock.h>

#include "common/model/formats/export_format.h"
#include "tests/worker/stages/plan/plan_fixture.h"
#include "worker/stages/plan/make_plan.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

JobSpec custom_spec() {
  JobSpec spec;
  spec.target.amount = 0.25;
  spec.export_settings.format = ExportFormat::custom;
  spec.export_settings.round_to = 32;
  return spec;
}

TEST(PlanOptions, ffn_widths_are_what_the_format_holds_from_all_to_one_step) {
  const ModelConfig dense = planned_model(1);
  const JobSpec spec = custom_spec();
  const Budget budget(spec, dense);
  const LayerAnalysis analysis = priced_layer(dense.layers[0], 1e-6);
  const FfnChoices choices = ffn_choices(dense.layers[0], analysis, 1.0, spec, budget);
  EXPECT_THAT(choices.widths, ElementsAre(96, 64, 32));
  ASSERT_EQ(choices.curve.points.size(), 3U);
  EXPECT_EQ(choices.curve.points[0].removed, 0);
  EXPECT_EQ(choices.curve.points[0].cost_nats, 0.0);
  EXPECT_EQ(choices.curve.points[1].removed, 32 * 3 * 64)
      << "a neuron is a row of gate, up and a column of down";
  EXPECT_EQ(choices.curve.points[1].cost_nats, analysis.ffn.cost_at(64));
  EXPECT_EQ(choices.curve.whole, 96 * 3 * 64);
}

TEST(PlanOptions, a_cost_factor_scales_every_point) {
  const ModelConfig dense = planned_model(1);
  const JobSpec spec = custom_spec();
  const Budget budget(spec, dense);
  const LayerAnalysis analysis = priced_layer(dense.layers[0], 1e-6);
  const auto whole = attention_choices(dense.layers[0], analysis, 1.0, spec, budget).curve.points;
  const auto half = attention_choices(dense.layers[0], analysis, 0.5, spec, budget).curve.points;
  ASSERT_EQ(whole.size(), half.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    EXPECT_DOUBLE_EQ(half[i].cost_nats, 0.5 * whole[i].cost_nats);
  }
}

TEST(PlanOptions, attention_keeps_the_cheapest_of_options_that_remove_the_same) {
  const ModelConfig dense = planned_model(1);
  const JobSpec spec = custom_spec();
  const Budget budget(spec, dense);
  LayerAnalysis analysis = priced_layer(dense.layers[0], 1e-6);
  analysis.vo_cost.assign(17, 0.0);  // values cost nothing: of vo 8 and qk 8, vo 8
  const AttentionChoices choices = attention_choices(dense.layers[0], analysis, 1.0, spec, budget);
  std::int64_t last = -1;
  bool met = false;
  for (std::size_t i = 0; i < choices.options.size(); ++i) {
    EXPECT_GT(choices.curve.points[i].removed, last);
    last = choices.curve.points[i].removed;
    const AttentionOption& option = choices.options[i];
    EXPECT_FALSE(option.kv_groups == 2 && option.vo_dim == 16 && option.qk_dim == 8);
    met = met || (option.kv_groups == 2 && option.vo_dim == 8 && option.qk_dim == 16);
  }
  EXPECT_TRUE(met);
}

TEST(PlanOptions, attention_cost_counts_missing_groups_and_the_rest_for_those_that_stay) {
  const ModelConfig dense = planned_model(1);
  const LayerAnalysis analysis = priced_layer(dense.layers[0], 1e-6);
  const LayerShape& shape = dense.layers[0];
  EXPECT_EQ(attention_cost(shape, analysis, {2, 16, 16}), 0.0);
  const double pairs = 2.0 * analysis.rope_pairs[0].cost_at(4);
  EXPECT_DOUBLE_EQ(attention_cost(shape, analysis, {2, 8, 8}), analysis.vo_cost[8] + pairs);
  EXPECT_DOUBLE_EQ(attention_cost(shape, analysis, {1, 8, 8}),
                   analysis.kv_groups.cost_at(1) + 0.5 * (analysis.vo_cost[8] + pairs));
}

TEST(PlanOptions, the_budget_pays_for_added_biases) {
  const ModelConfig dense = planned_model(2);
  const JobSpec spec = custom_spec();
  const ModelConfig base = with_refit_biases(dense, ExportFormat::custom);
  const std::int64_t biases = block_parameters(base) - block_parameters(dense);
  EXPECT_EQ(biases, 2 * 2 * 64);
  EXPECT_EQ(Budget(spec, base).to_remove(dense), block_parameters(dense) / 4 + biases);
}

}  // namespace
}  // namespace cce
