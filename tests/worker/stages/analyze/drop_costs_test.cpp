#include "worker/stages/analyze/drop_costs.h"

#include <mutex>
#include <span>

#include "common/model/compression_plan.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/model/model_runner.h"
#include "worker/model/pruned_layer.h"
#include "worker/stages/analyze/analyze.h"
#include "worker/stages/result/report.h"

namespace cce {
namespace {

/// Mean loss of the model that a plan leaves, by the plain runner of whole models, in double.
double mean_loss(const StageJob& job, const CalibrationData& data, const CompressionPlan& plan) {
  const auto backend = make_cpu_backend(1);
  const ModelConfig& dense = job.dense();
  const ModelConfig config = apply_plan(dense, plan);
  const EndWeights ends = job.checkpoint().end_weights(*backend, DType::f32);
  const LayerProvider whole = checkpoint_layers(*backend, job.checkpoint(), DType::f32);
  Buffer packed;
  const LayerProvider layers = [&](std::int64_t layer) {
    const auto index = static_cast<std::size_t>(layer);
    const LayerWeights weights =
        view_packed_layer(dense.layers[index], dense.hidden_size, DType::f32, whole(layer));
    const HostLayer kept = prune_layer(weights, plan.layers[index]);
    const std::size_t bytes = packed_layer_bytes(kept.shape, dense.hidden_size, DType::f32);
    packed = backend->allocate(bytes + 1);
    const std::span<std::byte> block(static_cast<std::byte*>(packed.data()), bytes);
    pack_host_layer(kept, dense.hidden_size, DType::f32, block);
    return std::span<const std::byte>(block);
  };
  ModelRunner runner(*backend, config, ends, layers, DType::f32);
  double sum = 0.0;
  double count = 0.0;
  for (const std::int64_t index : spread_evenly(static_cast<std::int64_t>(data.windows.size()), 8)) {
    for (const float loss :
         runner.token_losses(data.windows[static_cast<std::size_t>(index)], {1, data.length})) {
      sum += static_cast<double>(loss);
      count += 1.0;
    }
  }
  return sum / count;
}

/// Every cost by running the whole model without the part.
DropCosts by_whole_runs(const StageJob& job, const CalibrationData& data) {
  const double dense = mean_loss(job, data, keep_all(job.dense()));
  const std::size_t layers = job.dense().layers.size();
  DropCosts costs{std::vector<double>(layers), std::vector<double>(layers), std::vector<double>(layers)};
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const auto rise = [&](bool attention, bool ffn) {
      CompressionPlan plan = keep_all(job.dense());
      LayerPlan& kept = plan.layers[layer];
      kept.keep_attention = kept.keep_attention && !attention;
      kept.keep_ffn = kept.keep_ffn && !ffn;
      return mean_loss(job, data, plan) - dense;
    };
    costs.attention[layer] = rise(true, false);
    costs.ffn[layer] = rise(false, true);
    costs.layers[layer] = rise(true, true);
  }
  return costs;
}

DropCosts measure(StageJob& job, int ranks, bool blocks, bool layers) {
  DropCosts result;
  std::mutex guard;
  job.run(ranks, [&](StageContext& context) {
    std::int64_t visits = 0;
    const DropCosts mine = measure_drop_costs(context, job.data(), blocks, layers, [&](std::int64_t) {
      ++visits;
      context.communicator.barrier();
    });
    EXPECT_EQ(visits, drop_cost_visits(context, job.data(), blocks, layers));
    const std::lock_guard lock(guard);
    result = mine;
  });
  return result;
}

void expect_close(const std::vector<double>& found, const std::vector<double>& expected, double bound,
                  const char* what) {
  ASSERT_EQ(found.size(), expected.size()) << what;
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], bound) << what << " of layer " << i;
  }
}

struct ModelRow {
  const char* name;
  const char* model;
};
class DropCostsOf : public ::testing::TestWithParam<ModelRow> {};

TEST_P(DropCostsOf, are_the_rise_of_the_whole_models_loss_on_any_number_of_ranks) {
  StageJob job(GetParam().model);
  const DropCosts expected = by_whole_runs(job, job.data());
  for (const int ranks : {1, 3}) {
    SCOPED_TRACE(ranks);
    const DropCosts found = measure(job, ranks, true, true);
    expect_close(found.attention, expected.attention, 2e-6, "attention");
    expect_close(found.ffn, expected.ffn, 2e-6, "ffn");
    expect_close(found.layers, expected.layers, 2e-6, "layers");
  }
}

const ModelRow model_rows[] = {
    {"grouped_heads", "llama3_gqa"}, {"biases", "qwen2_bias"}, {"layers_that_lack_halves", "custom_mixed"}};
INSTANTIATE_TEST_SUITE_P(DropCosts, DropCostsOf, ::testing::ValuesIn(model_rows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(DropCosts, a_half_that_a_layer_lacks_costs_nothing) {
  StageJob job("custom_mixed");
  const DropCosts found = measure(job, 1, true, false);
  EXPECT_EQ(found.ffn[0], 0.0);
  EXPECT_EQ(found.attention[2], 0.0);
  EXPECT_NE(found.attention[0], 0.0);
}

TEST(DropCosts, only_what_is_asked_for_is_measured) {
  StageJob job("llama_mha", 4);
  const DropCosts layers = measure(job, 1, false, true);
  EXPECT_TRUE(layers.attention.empty());
  EXPECT_TRUE(layers.ffn.empty());
  EXPECT_EQ(layers.layers.size(), job.dense().layers.size());
  EXPECT_TRUE(measure(job, 1, false, false).layers.empty());
}

TEST(DropCosts, read_back_to_the_same_bits_with_the_analysis) {
  ModelAnalysis analysis;
  analysis.drop_costs = {{0.1, -1.0 / 3.0}, {2e-300, 5.0}, {0.7, 0.0}};
  const ModelAnalysis again = parse_model_analysis(to_json(analysis), "analysis.json");
  EXPECT_EQ(again.drop_costs.attention, analysis.drop_costs.attention);
  EXPECT_EQ(again.drop_costs.ffn, analysis.drop_costs.ffn);
  EXPECT_EQ(again.drop_costs.layers, analysis.drop_costs.layers);
}

}  // namespace
}  // namespace cce
