#include "worker/stages/plan/starting_layer.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/worker/model/random_layer.h"
#include "tests/worker/stages/stage_fixture.h"
#include "worker/model/block.h"
#include "worker/stages/analyze/analyze_layer.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t hidden = 24, length = 12, sequences = 4;
constexpr double tokens = sequences * length;

/// A random layer, the statistics of a random stream through it, and the outputs of its sub-blocks.
class StartingLayerTest : public ::testing::Test {
 protected:
  StartingLayerTest() {
    LayerShape shape = attention_shape_of(2, 2, 8, 8);
    shape.has_ffn = true;
    shape.ffn_width = 20;
    shape.v_bias = true;
    config_ = tiny_config(shape, hidden, 8);
    layer_ = random_layer(shape, hidden, 5);
    stream_ = random_matrix(sequences * length, hidden, 6);
    spec_.export_settings.format = ExportFormat::custom;
    const LayerWeights weights = view_host_layer(layer_, hidden);
    statistics_ = make_layer_statistics(*backend_, shape, hidden);
    fill(features(weights, true), statistics_.attention);
    fill(features(weights, false), statistics_.ffn);
  }

  HostMatrix features(const LayerWeights& weights, bool attention) {
    BlockRunner runner(*backend_, config_);
    HostMatrix result(stream_.rows, attention ? weights.o.cols : weights.down.cols);
    if (attention) {
      runner.attention_features(weights, {sequences, length}, stream_.view(), result.view());
    } else {
      runner.ffn_features(weights, stream_.view(), result.view());
    }
    return result;
  }

  HostMatrix outputs(const HostLayer& layer, bool attention) {
    const LayerWeights weights = view_host_layer(layer, hidden);
    BlockRunner runner(*backend_, config_);
    HostMatrix result(stream_.rows, hidden);
    runner.project(weights, attention ? SubBlock::attention : SubBlock::ffn,
                   features(weights, attention).view(), result.view());
    return result;
  }

  void fill(const HostMatrix& f, SubBlockStatistics& sums) {
    const HostMatrix gradient = random_matrix(f.rows, hidden, 9);
    HostMatrix weighted = f;
    for (std::int64_t t = 0; t < f.rows; ++t) {
      double square = 0.0;
      for (std::int64_t j = 0; j < hidden; ++j) {
        square += static_cast<double>(gradient.row(t)[j]) * static_cast<double>(gradient.row(t)[j]);
      }
      for (std::int64_t i = 0; i < f.cols; ++i) {
        weighted.row(t)[i] *= static_cast<float>(std::sqrt(square));
      }
    }
    add_gram(f, sums.covariance);
    add_gram(weighted, sums.weighted_covariance);
    add_gram(gradient, sums.gradient_covariance);
  }
  void add_gram(const HostMatrix& f, OwnedMatrix& sum) {
    OwnedMatrix wide = backend_->zeros(DType::f64, f.rows, f.cols);
    ops::add(*backend_, f.view(), wide.view());
    ops::gram(*backend_, wide.view(), sum.view());
  }

  HostLayer start(const LayerPlan& plan, bool with_biases = false) {
    CompressionPlan whole;
    whole.layers = {plan};
    LayerShape shape = apply_plan(config_, whole).layers[0];
    shape.o_bias = shape.down_bias = with_biases;
    const LayerWeights dense = view_host_layer(layer_, hidden);
    const AnalyzedLayer analyzed = analyze_layer(*backend_, dense, statistics_, tokens, spec_,
                                                 [](SubBlock, ConstMatrix, ConstMatrix) {});
    return make_starting_layer(*backend_, dense, plan, shape, statistics_, tokens, analyzed.value_spectra,
                               spec_);
  }
  LayerPlan keep_everything() const { return keep_all(config_).layers[0]; }

  static double distance(const HostMatrix& a, const HostMatrix& b) {
    return relative_distance(a.view(), std::vector<double>(b.values.begin(), b.values.end()));
  }

  std::unique_ptr<Backend> backend_ = make_cpu_backend(1);
  ModelConfig config_;
  HostLayer layer_;
  HostMatrix stream_;
  JobSpec spec_;
  LayerStatistics statistics_;
};

TEST_F(StartingLayerTest, keeping_everything_changes_nothing) {
  const HostLayer found = start(keep_everything());
  for (const TensorRole part : layer_roles()) {
    EXPECT_EQ(part_view(found, part).values, part_view(layer_, part).values) << role_name(part);
  }
}

TEST_F(StartingLayerTest, added_biases_are_zero) {
  const HostLayer found = start(keep_everything(), true);
  EXPECT_EQ(found.o_bias.values, std::vector<float>(hidden, 0.0F));
  EXPECT_EQ(found.down_bias.values, std::vector<float>(hidden, 0.0F));
  EXPECT_LT(distance(outputs(found, true), outputs(layer_, true)), 1e-6);
}

TEST_F(StartingLayerTest, narrowing_values_loses_nothing_where_they_had_no_more_dimensions) {
  // Values of rank 4 in 8 dimensions: 4 kept dimensions hold them all.
  for (std::int64_t group = 0; group < 2; ++group) {
    for (std::int64_t row = 4; row < 8; ++row) {
      std::copy_n(layer_.v.row(group * 8 + row - 4), hidden, layer_.v.row(group * 8 + row));
      layer_.v_bias.values[static_cast<std::size_t>(group * 8 + row)] =
          layer_.v_bias.values[static_cast<std::size_t>(group * 8 + row - 4)];
    }
  }
  statistics_ = make_layer_statistics(*backend_, layer_.shape, hidden);
  fill(features(view_host_layer(layer_, hidden), true), statistics_.attention);
  fill(features(view_host_layer(layer_, hidden), false), statistics_.ffn);
  LayerPlan plan = keep_everything();
  plan.vo_dim = 4;
  const HostLayer found = start(plan);
  EXPECT_EQ(found.v.rows, 2 * 4);
  EXPECT_EQ(found.o.cols, 4 * 4);
  // λ = 1e-3 on the diagonal of the covariance is all that keeps the projection from being exact.
  EXPECT_LT(distance(outputs(found, true), outputs(layer_, true)), 1e-3);
}

TEST_F(StartingLayerTest, removed_neurons_are_made_up_for) {
  LayerPlan plan = keep_everything();
  plan.ffn_neurons.resize(16);
  const HostLayer redistributed = start(plan);
  spec_.encode.target = RefitTarget::none;
  const HostLayer selected = start(plan);
  EXPECT_EQ(redistributed.down.cols, 16);
  const HostMatrix expected = outputs(layer_, false);
  EXPECT_LT(distance(outputs(redistributed, false), expected), distance(outputs(selected, false), expected));
}

TEST_F(StartingLayerTest, a_removed_group_is_made_up_for) {
  LayerPlan plan = keep_everything();
  plan.kv_groups = {1};
  plan.rope_pairs.resize(1);
  const HostLayer redistributed = start(plan);
  spec_.encode.target = RefitTarget::none;
  const HostLayer selected = start(plan);
  EXPECT_EQ(redistributed.o.cols, 2 * 8);
  double with = 0.0, without = 0.0;
  const HostMatrix expected = outputs(layer_, true);
  const HostMatrix a = outputs(redistributed, true), b = outputs(selected, true);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    with += std::pow(static_cast<double>(a.values[i] - expected.values[i]), 2);
    without += std::pow(static_cast<double>(b.values[i] - expected.values[i]), 2);
  }
  EXPECT_LT(with, without);
}

}  // namespace
}  // namespace cce
