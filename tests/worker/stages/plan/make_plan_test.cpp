#include "worker/stages/plan/make_plan.h"

#include "common/model/format_rules.h"
#include "tests/common/error_matcher.h"
#include "tests/worker/stages/plan/plan_fixture.h"

namespace cce {
namespace {

const std::vector<double> prices{1e-6, 4e-6, 2e-6};

JobSpec spec_of(ExportFormat format, TargetKind kind, double amount) {
  JobSpec spec;
  spec.target.kind = kind;
  spec.target.amount = amount;
  spec.export_settings.format = format;
  spec.export_settings.round_to = 8;
  spec.structures = format == ExportFormat::custom
                        ? std::vector{Structure::ffn, Structure::vo, Structure::qk, Structure::kv_groups}
                        : std::vector{Structure::ffn, Structure::kv_groups};
  return spec;
}

/// The shapes that are exported, biases of the refit included.
ModelConfig compressed(const JobSpec& spec, const ModelConfig& dense, const CompressionPlan& plan) {
  return with_refit_biases(apply_plan(dense, plan), spec.export_settings.format);
}

struct TargetRow {
  const char* name;
  ExportFormat format;
  TargetKind kind;
  double amount;  ///< fraction removed, or bytes
};
class Targets : public ::testing::TestWithParam<TargetRow> {};

/// What is left over what was asked to be left, in the target's unit; ≤ 1 where the target is met.
double left_over_asked(const JobSpec& spec, const ModelConfig& dense, const ModelConfig& result) {
  switch (spec.target.kind) {
    case TargetKind::remove_flops: {
      const std::int64_t length = spec.calibration.length;
      return flops_per_token(result, length) / ((1.0 - spec.target.amount) * flops_per_token(dense, length));
    }
    case TargetKind::fit_bytes:
      return 2.0 * static_cast<double>(total_parameters(result)) / spec.target.amount;
    default:
      return static_cast<double>(block_parameters(result)) /
             ((1.0 - spec.target.amount) * static_cast<double>(block_parameters(dense)));
  }
}

TEST_P(Targets, are_met_and_not_overshot_by_far) {
  const TargetRow& row = GetParam();
  const ModelConfig dense = planned_model(3);
  const JobSpec spec = spec_of(row.format, row.kind, row.amount);
  const ModelConfig result = compressed(spec, dense, make_plan(spec, dense, priced_model(dense, prices)));
  const double left = left_over_asked(spec, dense, result);
  EXPECT_LE(left, 1.0 + 1e-12);
  // One step of a width is a few per cent; where all layers share their groups, one group less is a fifth.
  EXPECT_GE(left, widths_are_shared(row.format) ? 0.8 : 0.88);
  check_representable(result, row.format);
}

const TargetRow target_rows[] = {
    {"uniform_params", ExportFormat::uniform, TargetKind::remove_params, 0.3},
    {"uniform_flops", ExportFormat::uniform, TargetKind::remove_flops, 0.25},
    {"uniform_bytes", ExportFormat::uniform, TargetKind::fit_bytes, 150000},
    {"custom_params", ExportFormat::custom, TargetKind::remove_params, 0.3},
    {"custom_params_few", ExportFormat::custom, TargetKind::remove_params, 0.05},
    {"custom_params_many", ExportFormat::custom, TargetKind::remove_params, 0.7},
    {"custom_flops", ExportFormat::custom, TargetKind::remove_flops, 0.25},
    {"custom_bytes", ExportFormat::custom, TargetKind::fit_bytes, 150000},
};
INSTANTIATE_TEST_SUITE_P(MakePlan, Targets, ::testing::ValuesIn(target_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(MakePlan, shared_formats_give_every_layer_one_shape) {
  const ModelConfig dense = planned_model(3);
  const JobSpec spec = spec_of(ExportFormat::uniform, TargetKind::remove_params, 0.3);
  const ModelConfig result = apply_plan(dense, make_plan(spec, dense, priced_model(dense, prices)));
  for (const LayerShape& shape : result.layers) {
    EXPECT_EQ(shape.ffn_width, result.layers[0].ffn_width);
    EXPECT_EQ(shape.kv_groups, result.layers[0].kv_groups);
    EXPECT_EQ(shape.vo_dim, 16);
    EXPECT_EQ(shape.qk_dim, 16);
    EXPECT_EQ(shape.ffn_width % 8, 0);
  }
}

TEST(MakePlan, a_layer_that_costs_more_keeps_more) {
  const ModelConfig dense = planned_model(3);
  const JobSpec spec = spec_of(ExportFormat::custom, TargetKind::remove_params, 0.3);
  const ModelConfig result = apply_plan(dense, make_plan(spec, dense, priced_model(dense, prices)));
  EXPECT_GT(result.layers[1].ffn_width, result.layers[2].ffn_width);
  EXPECT_GT(result.layers[2].ffn_width, result.layers[0].ffn_width);
}

TEST(MakePlan, a_layer_like_another_gives_up_more) {
  const ModelConfig dense = planned_model(3);
  const JobSpec spec = spec_of(ExportFormat::custom, TargetKind::remove_params, 0.3);
  ModelAnalysis analysis = priced_model(dense, {1e-6, 1e-6, 1e-6});
  analysis.ffn.cost_factor[1] = 0.5;
  const ModelConfig result = apply_plan(dense, make_plan(spec, dense, analysis));
  EXPECT_LT(result.layers[1].ffn_width, result.layers[0].ffn_width);
  EXPECT_EQ(result.layers[0].ffn_width, result.layers[2].ffn_width);
}

TEST(MakePlan, keeps_the_survivors_and_their_predicted_cost) {
  const ModelConfig dense = planned_model(2);
  const JobSpec spec = spec_of(ExportFormat::custom, TargetKind::remove_params, 0.3);
  const ModelAnalysis analysis = priced_model(dense, {1e-6, 2e-6});
  const CompressionPlan plan = make_plan(spec, dense, analysis);
  EXPECT_GT(plan.price, 0.0);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const LayerPlan& kept = plan.layers[layer];
    const auto width = static_cast<std::int64_t>(kept.ffn_neurons.size());
    EXPECT_EQ(kept.ffn_neurons, analysis.layers[layer].ffn.survivors(width));
    EXPECT_EQ(kept.predicted_ffn_nats, analysis.layers[layer].ffn.cost_at(width));
    EXPECT_EQ(kept.rope_pairs.size(), kept.kv_groups.size());
  }
}

TEST(MakePlan, equal_budgets_ignore_the_costs) {
  const ModelConfig dense = planned_model(3);
  JobSpec spec = spec_of(ExportFormat::custom, TargetKind::remove_params, 0.3);
  spec.encode.equal_budgets = true;
  const ModelConfig result = compressed(spec, dense, make_plan(spec, dense, priced_model(dense, prices)));
  EXPECT_LE(left_over_asked(spec, dense, result), 1.0);
  EXPECT_EQ(result.layers[0].ffn_width, result.layers[1].ffn_width);
  EXPECT_EQ(result.layers[0].ffn_width, result.layers[2].ffn_width);
}

TEST(MakePlan, only_the_named_structures_shrink) {
  const ModelConfig dense = planned_model(3);
  JobSpec spec = spec_of(ExportFormat::custom, TargetKind::remove_params, 0.2);
  spec.structures = {Structure::ffn};
  for (const LayerShape& shape :
       apply_plan(dense, make_plan(spec, dense, priced_model(dense, prices))).layers) {
    EXPECT_EQ(shape.kv_groups, 2);
    EXPECT_EQ(shape.vo_dim, 16);
    EXPECT_EQ(shape.qk_dim, 16);
  }
}

TEST(MakePlan, an_unreachable_target_names_the_largest_reachable) {
  const ModelConfig dense = planned_model(3);
  const ModelAnalysis analysis = priced_model(dense, prices);
  for (const ExportFormat format : {ExportFormat::uniform, ExportFormat::custom}) {
    ModelConfig smallest = with_refit_biases(dense, format);
    const std::int64_t base = block_parameters(smallest);
    for (LayerShape& shape : smallest.layers) {
      shape.ffn_width = 8;
      shape.kv_groups = 1;
      if (format == ExportFormat::custom) {
        shape.vo_dim = 8;
        shape.qk_dim = 8;
      }
    }
    const std::string reachable = std::to_string(base - block_parameters(smallest));
    const JobSpec spec = spec_of(format, TargetKind::remove_params, 0.99);
    expect_error([&] { make_plan(spec, dense, analysis); }, ErrorCode::unreachable_target, reachable);
  }
}

TEST(MakePlan, the_threshold_rule_rounds_up_to_what_the_format_holds) {
  const ModelConfig dense = planned_model(2);
  ModelAnalysis analysis = priced_model(dense, {1e-6, 1e-6});
  analysis.layers[0].ffn_spectra = spectra_that_keep(41, 96);
  analysis.layers[1].ffn_spectra = spectra_that_keep(96, 96);
  analysis.layers[0].attention_spectra = spectra_that_keep(31, 64);  // 7.75 of 16 value dimensions
  analysis.layers[1].attention_spectra = spectra_that_keep(33, 64);  // 8.25
  const JobSpec custom = spec_of(ExportFormat::custom, TargetKind::threshold, 0.0);
  const ModelConfig result = apply_plan(dense, make_plan(custom, dense, analysis));
  EXPECT_EQ(result.layers[0].ffn_width, 48);
  EXPECT_EQ(result.layers[1].ffn_width, 96);
  EXPECT_EQ(result.layers[0].vo_dim, 8);
  EXPECT_EQ(result.layers[1].vo_dim, 16);
  const JobSpec uniform = spec_of(ExportFormat::uniform, TargetKind::threshold, 0.0);
  for (const LayerShape& shape : apply_plan(dense, make_plan(uniform, dense, analysis)).layers) {
    EXPECT_EQ(shape.ffn_width, 72) << "the mean of 48 and 96";
    EXPECT_EQ(shape.vo_dim, 16);
  }
}

TEST(MakePlan, only_custom_gains_biases) {
  const ModelConfig dense = planned_model(1);
  EXPECT_TRUE(with_refit_biases(dense, ExportFormat::custom).layers[0].o_bias);
  EXPECT_TRUE(with_refit_biases(dense, ExportFormat::custom).layers[0].down_bias);
  EXPECT_FALSE(with_refit_biases(dense, ExportFormat::uniform).layers[0].o_bias);
}

}  // namespace
}  // namespace cce
