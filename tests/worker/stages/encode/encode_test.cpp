#include "worker/stages/encode/encode.h"

#include <gtest/gtest.h>

#include "tests/worker/stages/stage_fixture.h"
#include "worker/model/model_runner.h"
#include "worker/passes/encoded_layers.h"
#include "worker/stages/calibrate/calibrate.h"
#include "worker/stages/plan/make_plan.h"
#include "worker/stages/plan/prepare_layers.h"

namespace cce {
namespace {

constexpr const char* fingerprint = "test";

/// Calibrates, prepares and encodes by `plan_of`, then hands rank 0 what came of it.
template <typename PlanOf, typename Check>
void encode_and(StageJob& job, int ranks, const PlanOf& plan_of, const Check& check) {
  const CalibrationData data = job.data();
  job.run(ranks, [&](StageContext& context) {
    const auto statistics = calibrate(context, data);
    CompressionPlan plan = plan_of(context.dense());
    const ModelConfig compressed =
        with_refit_biases(apply_plan(context.dense(), plan), context.spec.export_settings.format);
    const SpectraOf none = [](std::int64_t) {
      return std::vector<HeadSpectrum>();
    };  // no plan narrows values
    auto layers = prepare_layers(context, statistics, data.gradient_tokens(), none, plan, compressed);
    encode(context, {data, compressed, layers, fingerprint}, plan);
    context.communicator.barrier();
    if (context.rank() == 0) {
      check(context, compressed, plan);
    }
  });
}

/// ‖a − b‖ / ‖a‖ of the two models' logits on one window.
double logits_distance(StageContext& context, const ModelConfig& compressed, const CalibrationData& data) {
  EncodedLayers encoded(context, compressed, fingerprint);
  Buffer packed;
  const LayerProvider provider = [&](std::int64_t layer) {
    packed = context.backend.allocate(encoded.packed_bytes(layer));
    const std::span<std::byte> block(static_cast<std::byte*>(packed.data()), encoded.packed_bytes(layer));
    encoded.pack(layer, block);
    return std::span<const std::byte>(block);
  };
  const EndWeights ends = context.checkpoint.end_weights(context.backend, DType::f32);
  const TokenBatch batch{1, data.length};
  ModelRunner dense(context.backend, context.dense(), ends,
                    checkpoint_layers(context.backend, context.checkpoint, DType::f32), DType::f32);
  ModelRunner other(context.backend, compressed, ends, provider, DType::f32);
  const OwnedMatrix expected = dense.logits(data.windows[1], batch);
  const OwnedMatrix found = other.logits(data.windows[1], batch);
  double difference = 0.0;
  double norm = 0.0;
  for (std::int64_t i = 0; i < expected.rows() * expected.cols(); ++i) {
    const auto a = static_cast<double>(expected.as<float>()[i]);
    difference += std::pow(a - static_cast<double>(found.as<float>()[i]), 2);
    norm += a * a;
  }
  return std::sqrt(difference / norm);
}

struct FamilyRow {
  const char* model;
  int ranks;
  ExportFormat format;
};
class EncodeKeepsAll : public ::testing::TestWithParam<FamilyRow> {};

TEST_P(EncodeKeepsAll, and_leaves_the_outputs_as_they_are) {
  const FamilyRow& row = GetParam();
  StageJob job(row.model, 20);
  job.spec.export_settings.format = row.format;
  const CalibrationData data = job.data();
  encode_and(job, row.ranks, keep_all,
             [&](StageContext& context, const ModelConfig& compressed, const CompressionPlan& plan) {
               EXPECT_LT(logits_distance(context, compressed, data), 1e-3);
               for (const LayerPlan& layer : plan.layers) {
                 EXPECT_LT(layer.measured_ffn_nats, 1e-6);
                 EXPECT_LT(layer.measured_attention_nats, 1e-6);
               }
             });
}

const FamilyRow family_rows[] = {
    {"llama_mha", 1, ExportFormat::uniform},     {"llama_mha", 3, ExportFormat::custom},
    {"llama3_gqa", 2, ExportFormat::custom},     {"llama_biases", 2, ExportFormat::uniform},
    {"mistral_window", 1, ExportFormat::custom}, {"qwen2_bias", 2, ExportFormat::uniform},
    {"qwen3", 2, ExportFormat::custom},          {"smollm3", 1, ExportFormat::custom},
    {"gemma3", 2, ExportFormat::custom},         {"olmo2", 2, ExportFormat::uniform},
    {"olmo3", 1, ExportFormat::custom},          {"granite", 1, ExportFormat::custom}};
INSTANTIATE_TEST_SUITE_P(Encode, EncodeKeepsAll, ::testing::ValuesIn(family_rows), [](const auto& row) {
  return std::string(row.param.model) + "_on_" + std::to_string(row.param.ranks);
});

/// Half of the neurons, by number; all of the attention.
CompressionPlan half_of_the_neurons(const ModelConfig& dense) {
  CompressionPlan plan = keep_all(dense);
  for (LayerPlan& layer : plan.layers) {
    layer.ffn_neurons.resize(layer.ffn_neurons.size() / 2);
  }
  return plan;
}

double distance_with(RefitTarget target, int ranks, const char* model = "qwen2_bias") {
  StageJob job(model, 24);
  job.spec.encode.target = target;
  const CalibrationData data = job.data();
  double distance = 0.0;
  encode_and(job, ranks, half_of_the_neurons,
             [&](StageContext& context, const ModelConfig& compressed, const CompressionPlan& plan) {
               distance = logits_distance(context, compressed, data);
               for (const LayerPlan& layer : plan.layers) {
                 EXPECT_GT(layer.measured_ffn_nats, 0.0);
               }
             });
  return distance;
}

TEST(Encode, a_refit_comes_closer_than_none) {
  const double none = distance_with(RefitTarget::none, 1);
  EXPECT_LT(distance_with(RefitTarget::local, 1), none);
  EXPECT_LT(distance_with(RefitTarget::error_aware, 1), none);
}

TEST(Encode, a_refit_before_a_norm_comes_closer_than_none) {
  for (const char* model : {"gemma3", "olmo2", "olmo3"}) {
    EXPECT_LT(distance_with(RefitTarget::error_aware, 1, model), distance_with(RefitTarget::none, 1, model))
        << model;
  }
}

TEST(Encode, ranks_change_no_more_than_the_order_of_sums) {
  const double alone = distance_with(RefitTarget::error_aware, 1);
  for (const int ranks : {2, 3}) {
    EXPECT_NEAR(distance_with(RefitTarget::error_aware, ranks), alone, 1e-3 * alone);
  }
}

}  // namespace
}  // namespace cce
