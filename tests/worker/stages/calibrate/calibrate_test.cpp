#include "worker/stages/calibrate/calibrate.h"

#include <gtest/gtest.h>

#include "tests/worker/stages/stage_fixture.h"
#include "worker/model/block.h"
#include "worker/model/model_runner.h"
#include "worker/numeric/counter_random.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

using Sum = std::vector<double>;

/// left' right in double, added to `sum`; weight_t multiplies row t.
void add_product(const OwnedMatrix& left, const OwnedMatrix& right, const std::vector<double>& weight,
                 Sum& sum) {
  sum.resize(static_cast<std::size_t>(left.cols() * right.cols()));
  for (std::int64_t t = 0; t < left.rows(); ++t) {
    for (std::int64_t i = 0; i < left.cols(); ++i) {
      const double value =
          weight[static_cast<std::size_t>(t)] * static_cast<double>(left.as<float>()[t * left.cols() + i]);
      for (std::int64_t j = 0; j < right.cols(); ++j) {
        sum[static_cast<std::size_t>(i * right.cols() + j)] +=
            value * static_cast<double>(right.as<float>()[t * right.cols() + j]);
      }
    }
  }
}

struct NaiveSubBlock {
  Sum weighted_covariance, covariance, feature_sum, gradient_covariance;

  void add(const OwnedMatrix& features, const OwnedMatrix& gradient) {
    const auto rows = static_cast<std::size_t>(features.rows());
    const std::vector<double> ones(rows, 1.0);
    std::vector<double> squared(rows, 0.0);
    for (std::int64_t t = 0; t < gradient.rows(); ++t) {
      for (std::int64_t j = 0; j < gradient.cols(); ++j) {
        const auto value = static_cast<double>(gradient.as<float>()[t * gradient.cols() + j]);
        squared[static_cast<std::size_t>(t)] += value * value;
      }
    }
    add_product(features, features, squared, weighted_covariance);
    add_product(features, features, ones, covariance);
    add_product(gradient, gradient, ones, gradient_covariance);
    feature_sum.resize(static_cast<std::size_t>(features.cols()));
    for (std::int64_t t = 0; t < features.rows(); ++t) {
      for (std::int64_t i = 0; i < features.cols(); ++i) {
        feature_sum[static_cast<std::size_t>(i)] +=
            static_cast<double>(features.as<float>()[t * features.cols() + i]);
      }
    }
  }
};

struct NaiveLayer {
  NaiveSubBlock attention, ffn;
  Sum pair_covariance;
};

/// The statistics sequence by sequence: whole forward, label gradient, whole backward, sums in double.
class NaiveCalibration {
 public:
  NaiveCalibration(const StageJob& job, Backend& backend)
      : job_(job),
        backend_(backend),
        config_(job.dense()),
        runner_(backend, config_),
        ends_(job.checkpoint().end_weights(backend, DType::f32)) {}

  std::vector<NaiveLayer> run() {
    const CalibrationData data = job_.data();
    std::vector<NaiveLayer> layers(config_.layers.size());
    for (const std::int64_t sequence : data.gradient_sequences) {
      add_sequence(data, sequence, layers);
    }
    return layers;
  }

 private:
  LayerWeights load(std::size_t layer) {
    const std::size_t bytes = packed_layer_bytes(config_.layers[layer], config_.hidden_size, DType::f32);
    packed_ = backend_.allocate(bytes);
    const std::span<std::byte> block(static_cast<std::byte*>(packed_.data()), bytes);
    job_.checkpoint().pack_layer(static_cast<std::int64_t>(layer), DType::f32, block);
    return view_packed_layer(config_.layers[layer], config_.hidden_size, DType::f32, block);
  }

  OwnedMatrix copy(const OwnedMatrix& source) {
    OwnedMatrix result = backend_.matrix(DType::f32, source.rows(), source.cols());
    ops::convert(backend_, source.view(), result.view());
    return result;
  }

  void add_sequence(const CalibrationData& data, std::int64_t sequence, std::vector<NaiveLayer>& layers) {
    const auto& ids = data.windows[static_cast<std::size_t>(sequence)];
    const TokenBatch batch{1, data.length};
    std::vector<OwnedMatrix> before, middle;
    OwnedMatrix stream = backend_.matrix(DType::f32, data.length, config_.hidden_size);
    ops::embed(backend_, ids, std::as_const(ends_.embedding).view(), embedding_scale(config_, DType::f32),
               stream.view());
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const LayerWeights weights = load(layer);
      before.push_back(copy(stream));
      OwnedMatrix heads = backend_.matrix(DType::f32, data.length, weights.o.cols);
      runner_.attention_features(weights, batch, stream.view(), heads.view());
      runner_.project(weights, SubBlock::attention, heads.view(), stream.view());
      middle.push_back(copy(stream));
      OwnedMatrix units = backend_.matrix(DType::f32, data.length, weights.down.cols);
      runner_.ffn_features(weights, stream.view(), units.view());
      runner_.project(weights, SubBlock::ffn, units.view(), stream.view());
    }
    OwnedMatrix gradient = output_gradient(data, sequence, stream);
    for (std::size_t layer = layers.size(); layer-- > 0;) {
      const LayerWeights weights = load(layer);
      const OwnedMatrix after_ffn = copy(gradient);
      OwnedMatrix units = backend_.matrix(DType::f32, data.length, weights.down.cols);
      runner_.ffn_backward(weights, middle[layer].view(), units.view(), gradient.view());
      layers[layer].ffn.add(units, after_ffn);
      const OwnedMatrix after_attention = copy(gradient);
      OwnedMatrix heads = backend_.matrix(DType::f32, data.length, weights.o.cols);
      OwnedMatrix pairs =
          backend_.matrix(DType::f32, data.length, weights.shape.kv_groups * weights.shape.qk_dim / 2);
      runner_.attention_backward(weights, batch, before[layer].view(), heads.view(), gradient.view(),
                                 pairs.view());
      layers[layer].attention.add(heads, after_attention);
      add_product(pairs, pairs, std::vector<double>(static_cast<std::size_t>(data.length), 1.0),
                  layers[layer].pair_covariance);
    }
  }

  OwnedMatrix output_gradient(const CalibrationData& data, std::int64_t sequence, const OwnedMatrix& stream) {
    const ConstMatrix gain = std::as_const(ends_.final_norm).view();
    const ConstMatrix hidden = runner_.normalised(gain, stream.view(), DType::f32);
    std::vector<std::int32_t> labels(static_cast<std::size_t>(data.length), 0);
    labels.back() = -1;
    const CounterRandom random(static_cast<std::uint64_t>(job_.spec.seed), 1);
    std::vector<float> uniforms;
    for (std::int64_t position = 0; position < data.length; ++position) {
      uniforms.push_back(random.uniform_float(static_cast<std::uint64_t>(sequence * data.length + position)));
    }
    OwnedMatrix losses = backend_.matrix(DType::f32, 1, data.length);
    OwnedMatrix hidden_gradient = backend_.matrix(DType::f32, data.length, config_.hidden_size);
    ops::output_gradient(backend_, hidden, ends_.head(), labels, uniforms, losses.view(),
                         hidden_gradient.view());
    OwnedMatrix gradient = backend_.zeros(DType::f32, data.length, config_.hidden_size);
    ops::rms_norm_backward(backend_, hidden_gradient.view(), stream.view(), gain, config_.rms_epsilon,
                           gradient.view());
    return gradient;
  }

  const StageJob& job_;
  Backend& backend_;
  const ModelConfig& config_;
  BlockRunner runner_;
  EndWeights ends_;
  Buffer packed_;
};

constexpr double rounding = 2e-5;  // sums in f32 within a chunk against sums in double

void expect_equal(const SubBlockStatistics& found, const NaiveSubBlock& expected) {
  EXPECT_LT(relative_distance(found.weighted_covariance.view(), expected.weighted_covariance), rounding);
  EXPECT_LT(relative_distance(found.covariance.view(), expected.covariance), rounding);
  EXPECT_LT(relative_distance(found.feature_sum.view(), expected.feature_sum), rounding);
  EXPECT_LT(relative_distance(found.gradient_covariance.view(), expected.gradient_covariance), rounding);
}

struct CalibrateRow {
  const char* model;
  int ranks;
};
class CalibrateStatistics : public ::testing::TestWithParam<CalibrateRow> {};

TEST_P(CalibrateStatistics, are_the_naive_sums_on_any_number_of_ranks) {
  const CalibrateRow& row = GetParam();
  StageJob job(row.model);
  const auto backend = make_cpu_backend(1);
  const std::vector<NaiveLayer> expected = NaiveCalibration(job, *backend).run();
  const CalibrationData data = job.data();
  job.run(row.ranks, [&](StageContext& context) {
    const auto statistics = calibrate(context, data);
    ASSERT_EQ(statistics.size(), expected.size());
    for (std::size_t layer = 0; layer < expected.size(); ++layer) {
      const bool mine = context.owns(static_cast<std::int64_t>(layer));
      ASSERT_EQ(statistics[layer].has_value(), mine);
      if (mine) {
        expect_equal(statistics[layer]->attention, expected[layer].attention);
        expect_equal(statistics[layer]->ffn, expected[layer].ffn);
        EXPECT_LT(
            relative_distance(statistics[layer]->pair_covariance.view(), expected[layer].pair_covariance),
            rounding);
      }
    }
  });
}

const CalibrateRow calibrate_rows[] = {{"llama_mha", 1},    {"llama_mha", 2},      {"llama_mha", 3},
                                       {"llama3_gqa", 2},   {"mistral_window", 2}, {"qwen2_bias", 3},
                                       {"llama_biases", 2}, {"qwen3", 2}};
INSTANTIATE_TEST_SUITE_P(Calibrate, CalibrateStatistics, ::testing::ValuesIn(calibrate_rows),
                         [](const auto& row) {
                           return std::string(row.param.model) + "_on_" + std::to_string(row.param.ranks);
                         });

}  // namespace
}  // namespace cce
