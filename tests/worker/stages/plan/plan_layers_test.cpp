#include <string>
#include <utility>
#include <vector>

#include "common/model/format_rules.h"
#include "tests/common/error_matcher.h"
#include "tests/worker/stages/plan/plan_fixture.h"
#include "worker/stages/plan/make_plan.h"

// Plans that drop whole layers or halves of them, at costs as drop_costs.h measures them.
namespace cce {
namespace {

constexpr double dear = 10.0;

JobSpec spec_of(ExportFormat format, std::vector<Structure> structures, double removed) {
  JobSpec spec;
  spec.target.kind = TargetKind::remove_params;
  spec.target.amount = removed;
  spec.structures = std::move(structures);
  spec.export_settings.format = format;
  spec.export_settings.round_to = 8;
  return spec;
}

ModelAnalysis analysis_of(const ModelConfig& dense, DropCosts costs) {
  ModelAnalysis analysis = priced_model(dense, std::vector<double>(dense.layers.size(), 1e-6));
  analysis.drop_costs = std::move(costs);
  return analysis;
}

/// 'A' and 'F' for the halves that a layer keeps.
std::vector<std::string> kept_halves(const CompressionPlan& plan) {
  std::vector<std::string> halves;
  for (const LayerPlan& layer : plan.layers) {
    halves.push_back(std::string(layer.keep_attention ? "A" : "") + (layer.keep_ffn ? "F" : ""));
  }
  return halves;
}

double predicted_nats(const CompressionPlan& plan) {
  double sum = 0.0;
  for (const LayerPlan& layer : plan.layers) {
    sum += layer.predicted_ffn_nats + layer.predicted_attention_nats;
  }
  return sum;
}

struct LayerRow {
  const char* name;
  ExportFormat format;
  std::vector<Structure> structures;
  double removed;
  DropCosts costs;
  std::vector<std::string> halves;
};
class DroppedParts : public ::testing::TestWithParam<LayerRow> {};

TEST_P(DroppedParts, are_those_that_pay) {
  const LayerRow& row = GetParam();
  const ModelConfig dense = planned_model(4);
  const JobSpec spec = spec_of(row.format, row.structures, row.removed);
  const CompressionPlan plan = make_plan(spec, dense, analysis_of(dense, row.costs));
  EXPECT_EQ(kept_halves(plan), row.halves);
  const ModelConfig result = with_refit_biases(apply_plan(dense, plan), row.format);
  check_representable(result, row.format);
  EXPECT_LE(static_cast<double>(block_parameters(result)),
            (1.0 - row.removed) * static_cast<double>(block_parameters(dense)));
  const CompressionPlan again = parse_compression_plan(to_json(plan), "plan.json");
  EXPECT_EQ(to_json(again), to_json(plan));
}

const std::vector<Structure> ffn_layers{Structure::ffn, Structure::layers};
const std::vector<Structure> ffn_blocks{Structure::ffn, Structure::vo, Structure::qk, Structure::blocks};
const std::vector<Structure> everything{Structure::ffn, Structure::blocks, Structure::layers};
const LayerRow layer_rows[] = {
    {"one_cheap_layer",
     ExportFormat::uniform,
     ffn_layers,
     0.3,
     {{}, {}, {dear, 1e-4, dear, dear}},
     {"AF", "", "AF", "AF"}},
    {"two_cheap_layers",
     ExportFormat::uniform,
     ffn_layers,
     0.5,
     {{}, {}, {dear, 1e-4, 2e-4, dear}},
     {"AF", "", "", "AF"}},
    {"no_more_than_needed",
     ExportFormat::uniform,
     ffn_layers,
     0.2,
     {{}, {}, {dear, 1e-4, 2e-4, dear}},
     {"AF", "", "AF", "AF"}},
    {"dear_layers",
     ExportFormat::uniform,
     ffn_layers,
     0.3,
     {{}, {}, {dear, dear, dear, dear}},
     {"AF", "AF", "AF", "AF"}},
    {"dear_where_widths_do_not_suffice",
     ExportFormat::uniform,
     ffn_layers,
     0.6,
     {{}, {}, {dear, dear, 5.0, 20.0}},
     {"AF", "AF", "", "AF"}},
    {"the_dearest_stays",
     ExportFormat::uniform,
     {Structure::layers},
     0.75,
     {{}, {}, {0.0, 0.0, 1e-9, 0.0}},
     {"", "", "AF", ""}},
    {"custom_layer",
     ExportFormat::custom,
     ffn_layers,
     0.3,
     {{}, {}, {dear, dear, dear, 1e-4}},
     {"AF", "AF", "AF", ""}},
    {"cheap_halves",
     ExportFormat::custom,
     ffn_blocks,
     0.3,
     {{1e-5, dear, dear, dear}, {dear, dear, 1e-5, dear}, {}},
     {"F", "AF", "A", "AF"}},
    {"dear_halves",
     ExportFormat::custom,
     ffn_blocks,
     0.3,
     {{dear, dear, dear, dear}, {dear, dear, dear, dear}, {}},
     {"AF", "AF", "AF", "AF"}},
    {"a_half_stays",
     ExportFormat::custom,
     {Structure::blocks},
     0.8,
     {{0.0, 0.0, 0.0, 0.0}, {0.0, 0.0, 1e-9, 0.0}, {}},
     {"", "", "F", ""}},
    {"a_layer_and_a_half",
     ExportFormat::custom,
     everything,
     0.35,
     {{dear, 1e-5, dear, dear}, {dear, dear, dear, dear}, {dear, dear, 1e-4, dear}},
     {"AF", "F", "", "AF"}},
};
INSTANTIATE_TEST_SUITE_P(PlanLayers, DroppedParts, ::testing::ValuesIn(layer_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(PlanLayers, predict_what_was_measured) {
  const ModelConfig dense = planned_model(4);
  const CompressionPlan layers = make_plan(spec_of(ExportFormat::uniform, ffn_layers, 0.3), dense,
                                           analysis_of(dense, {{}, {}, {dear, 1e-4, dear, dear}}));
  EXPECT_EQ(layers.layers[1].predicted_attention_nats + layers.layers[1].predicted_ffn_nats, 1e-4);
  const CompressionPlan blocks =
      make_plan(spec_of(ExportFormat::custom, ffn_blocks, 0.3), dense,
                analysis_of(dense, {{1e-5, dear, dear, dear}, {dear, dear, 2e-5, dear}, {}}));
  EXPECT_EQ(blocks.layers[0].predicted_attention_nats, 1e-5);
  EXPECT_EQ(blocks.layers[2].predicted_ffn_nats, 2e-5);
}

// Whatever layers cost to drop, being allowed to drop them never makes the plan dearer.
TEST(PlanLayers, more_freedom_costs_no_more) {
  const ModelConfig dense = planned_model(4);
  for (const ExportFormat format : {ExportFormat::uniform, ExportFormat::custom}) {
    for (const double cost : {1e-4, 1e-3, 1e-2, 1e-1}) {
      const ModelAnalysis analysis = analysis_of(dense, {{}, {}, {4 * cost, cost, 3 * cost, 2 * cost}});
      const double widths_only =
          predicted_nats(make_plan(spec_of(format, {Structure::ffn}, 0.5), dense, analysis));
      EXPECT_LE(predicted_nats(make_plan(spec_of(format, ffn_layers, 0.5), dense, analysis)), widths_only)
          << format_name(format) << " at " << cost;
    }
  }
}

TEST(PlanLayers, one_layer_is_the_least_that_stays) {
  const ModelConfig dense = planned_model(4);
  expect_error(
      [&] {
        make_plan(spec_of(ExportFormat::uniform, {Structure::layers}, 0.8), dense,
                  analysis_of(dense, {{}, {}, {0.1, 0.1, 0.1, 0.1}}));
      },
      ErrorCode::unreachable_target, std::to_string(3 * block_parameters(dense) / 4));
}

TEST(PlanLayers, parts_without_a_measured_cost_are_refused) {
  const ModelConfig dense = planned_model(4);
  for (const auto& structures : {ffn_layers, ffn_blocks}) {
    expect_error(
        [&] { make_plan(spec_of(ExportFormat::custom, structures, 0.3), dense, analysis_of(dense, {})); },
        ErrorCode::invalid_argument, "drop_costs");
  }
}

}  // namespace
}  // namespace cce
