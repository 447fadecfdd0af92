#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "tests/worker/model/layer_shapes.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/random_layer.h"
#include "worker/model/block.h"

// Backward of both sub-blocks against finite differences of their forward. The loss is Σ R ⊙ (stream after),
// R random.

namespace cce {
namespace {

constexpr std::int64_t hidden_size = 12;
constexpr TokenBatch batch{2, 5};

struct GradientRow {
  const char* name;
  LayerShape shape;
  std::int64_t head_dim;
  Activation activation;
};

LayerShape with_biases(LayerShape shape) {
  shape.q_bias = shape.k_bias = shape.v_bias = shape.o_bias = true;
  return shape;
}
LayerShape ffn_shape(std::int64_t width, bool biases) {
  LayerShape shape;
  shape.has_attention = false;
  shape.ffn_width = width;
  shape.gate_bias = shape.up_bias = shape.down_bias = biases;
  return shape;
}

const GradientRow attention_rows[] = {
    {"multi_head", attention_shape_of(3, 1, 4, 4), 4, Activation::silu},
    {"grouped_queries", attention_shape_of(2, 3, 4, 4), 4, Activation::silu},
    {"biases", with_biases(attention_shape_of(2, 2, 4, 4)), 4, Activation::silu},
    {"window", with_window(attention_shape_of(2, 2, 4, 4), 2), 4, Activation::silu},
    {"kept_pairs_differ_by_group", with_pairs(attention_shape_of(2, 2, 4, 4), {0, 2, 1, 2}), 6,
     Activation::silu},
    {"narrow_values", attention_shape_of(2, 2, 6, 3), 6, Activation::silu},
    {"everything", with_window(with_biases(with_pairs(attention_shape_of(2, 2, 2, 5), {1, 2})), 3), 6,
     Activation::silu},
    {"normed_heads", with_norms(attention_shape_of(2, 3, 4, 5)), 4, Activation::silu},
    {"normed_heads_and_biases", with_window(with_biases(with_norms(attention_shape_of(2, 2, 6, 3))), 3), 6,
     Activation::silu},
    {"normed_before_and_after", normed_after(with_biases(attention_shape_of(2, 2, 4, 4)), true), 4,
     Activation::silu},
    {"normed_after_alone", normed_after(attention_shape_of(2, 2, 4, 3), false), 4, Activation::silu},
    {"normed_over_all_heads", with_spanning_norms(attention_shape_of(2, 3, 4, 5)), 4, Activation::silu},
    {"not_turned", without_rope(attention_shape_of(2, 3, 4, 5)), 4, Activation::silu},
};
const GradientRow ffn_rows[] = {
    {"ffn", ffn_shape(9, false), 4, Activation::silu},
    {"ffn_biases", ffn_shape(17, true), 4, Activation::silu},
    {"ffn_of_gelu", ffn_shape(17, true), 4, Activation::gelu_tanh},
    {"ffn_normed_before_and_after", normed_after(ffn_shape(17, true), true), 4, Activation::silu},
    {"ffn_normed_after_alone", normed_after(ffn_shape(9, false), false), 4, Activation::gelu_tanh},
};

class BlockGradient : public ::testing::TestWithParam<GradientRow> {
 protected:
  BlockGradient()
      : backend_(make_cpu_backend(1)),
        config_(tiny_config(GetParam().shape, hidden_size, GetParam().head_dim)),
        layer_(random_layer(GetParam().shape, hidden_size, 1)),
        stream_(random_matrix(batch.tokens(), hidden_size, 2)),
        weight_of_output_(random_matrix(batch.tokens(), hidden_size, 3)) {
    config_.activation = GetParam().activation;
  }

  bool is_attention() const { return GetParam().shape.has_attention; }
  std::int64_t feature_width() const { return is_attention() ? layer_.o.cols : layer_.down.cols; }

  double loss() {
    BlockRunner blocks(*backend_, config_);
    const LayerWeights weights = view_host_layer(layer_, hidden_size);
    OwnedMatrix stream = uploaded(*backend_, stream_);
    OwnedMatrix features = backend_->matrix(DType::f32, batch.tokens(), feature_width());
    if (is_attention()) {
      blocks.attention_features(weights, batch, stream.view(), features.view());
      blocks.project(weights, SubBlock::attention, features.view(), stream.view());
    } else {
      blocks.ffn_features(weights, stream.view(), features.view());
      blocks.project(weights, SubBlock::ffn, features.view(), stream.view());
    }
    const HostMatrix after = downloaded(*backend_, stream.view());
    double sum = 0.0;
    for (std::size_t i = 0; i < after.values.size(); ++i) {
      sum += static_cast<double>(after.values[i]) * static_cast<double>(weight_of_output_.values[i]);
    }
    return sum;
  }

  /// f'(0) from four points; the error is of fourth order in the step.
  static double derivative(const std::function<double(double)>& f) {
    constexpr double step = 0.03;
    return (8.0 * (f(step) - f(-step)) - (f(2 * step) - f(-2 * step))) / (12.0 * step);
  }

  std::unique_ptr<Backend> backend_;
  ModelConfig config_;
  HostLayer layer_;
  HostMatrix stream_, weight_of_output_;
};

TEST_P(BlockGradient, stream_gradient_is_the_derivative_of_the_loss) {
  BlockRunner blocks(*backend_, config_);
  const LayerWeights weights = view_host_layer(layer_, hidden_size);
  const OwnedMatrix stream = uploaded(*backend_, stream_);
  OwnedMatrix gradient = uploaded(*backend_, weight_of_output_);
  OwnedMatrix features = backend_->matrix(DType::f32, batch.tokens(), feature_width());
  if (is_attention()) {
    blocks.attention_backward(weights, batch, stream.view(), features.view(), gradient.view(), {});
  } else {
    blocks.ffn_backward(weights, stream.view(), features.view(), gradient.view());
  }
  const HostMatrix found = downloaded(*backend_, gradient.view());
  std::vector<float> expected(found.values.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const float original = stream_.values[i];
    expected[i] = static_cast<float>(derivative([&](double step) {
      stream_.values[i] = original + static_cast<float>(step);
      const double value = loss();
      stream_.values[i] = original;
      return value;
    }));
  }
  EXPECT_LE(relative_difference(found.values, expected), 1e-3);
}

class AttentionGradient : public BlockGradient {};

TEST_P(AttentionGradient, pair_products_are_the_derivative_by_each_pairs_scale) {
  const LayerShape& shape = GetParam().shape;
  const std::int64_t pairs = shape.qk_dim / 2;
  BlockRunner blocks(*backend_, config_);
  const OwnedMatrix stream = uploaded(*backend_, stream_);
  OwnedMatrix gradient = uploaded(*backend_, weight_of_output_);
  OwnedMatrix features = backend_->matrix(DType::f32, batch.tokens(), feature_width());
  OwnedMatrix products = backend_->matrix(DType::f32, batch.tokens(), shape.kv_groups * pairs);
  blocks.attention_backward(view_host_layer(layer_, hidden_size), batch, stream.view(), features.view(),
                            gradient.view(), products.view());
  const HostMatrix by_token = downloaded(*backend_, products.view());

  const HostLayer original = layer_;
  std::vector<float> found, expected;
  const auto sum_of_column = [&by_token](std::int64_t column) {
    double sum = 0.0;
    for (std::int64_t token = 0; token < by_token.rows; ++token)
      sum += static_cast<double>(by_token.row(token)[column]);
    return static_cast<float>(sum);
  };
  if (shape.keeps_qk_whole()) {  // behind the norm, whose gain is what all heads share: scaled there
    for (std::int64_t pair = 0; pair < pairs; ++pair) {
      found.push_back(0.0f);
      for (std::int64_t group = 0; group < shape.kv_groups; ++group)
        found.back() += sum_of_column(group * pairs + pair);
      expected.push_back(static_cast<float>(derivative([&](double step) {
        layer_ = original;
        for (std::int64_t head = 0; head < layer_.q_norm.cols; head += shape.qk_dim) {
          for (const std::int64_t dim : {head + pair, head + pair + pairs})
            layer_.q_norm.values[static_cast<std::size_t>(dim)] *= static_cast<float>(1.0 + step);
        }
        const double value = loss();
        layer_ = original;
        return value;
      })));
    }
    EXPECT_LE(relative_difference(found, expected), 1e-3);
    return;
  }
  for (std::int64_t column = 0; column < by_token.cols; ++column) {
    found.push_back(sum_of_column(column));
    expected.push_back(static_cast<float>(derivative([&](double step) {
      layer_ = original;
      const auto scale = static_cast<float>(1.0 + step);
      for (std::int64_t head = 0; head < shape.queries_per_group; ++head) {
        const std::int64_t first =
            (column / pairs * shape.queries_per_group + head) * shape.qk_dim + column % pairs;
        for (const std::int64_t row : {first, first + pairs}) {
          for (std::int64_t j = 0; j < hidden_size; ++j) layer_.q.row(row)[j] *= scale;
          if (shape.q_bias) layer_.q_bias.values[static_cast<std::size_t>(row)] *= scale;
        }
      }
      const double value = loss();
      layer_ = original;
      return value;
    })));
  }
  EXPECT_LE(relative_difference(found, expected), 1e-3);
}

std::string row_name(const ::testing::TestParamInfo<GradientRow>& row) {
  return row.param.name;
}
INSTANTIATE_TEST_SUITE_P(Attention, BlockGradient, ::testing::ValuesIn(attention_rows), row_name);
INSTANTIATE_TEST_SUITE_P(Ffn, BlockGradient, ::testing::ValuesIn(ffn_rows), row_name);
INSTANTIATE_TEST_SUITE_P(Attention, AttentionGradient, ::testing::ValuesIn(attention_rows), row_name);

TEST(BlockRunnerErrors, a_layer_without_attention_has_no_attention_features) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape shape = ffn_shape(8, false);
  BlockRunner blocks(*backend, tiny_config(shape, hidden_size, 4));
  const HostLayer layer = random_layer(shape, hidden_size, 1);
  EXPECT_THROW(blocks.attention_features(view_host_layer(layer, hidden_size), batch, {}, {}), Error);
}

TEST(AttentionVariance, is_zero_where_every_key_counts_the_same_and_counts_late_queries_only) {
  constexpr std::int64_t length = 70;
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape shape = attention_shape_of(2, 2, 4, 4);
  BlockRunner blocks(*backend, tiny_config(shape, hidden_size, 4));
  HostLayer layer = random_layer(shape, hidden_size, 1);
  const OwnedMatrix stream = uploaded(*backend, random_matrix(length, hidden_size, 2));
  OwnedMatrix features = backend->matrix(DType::f32, length, layer.o.cols);
  const auto variance_of = [&](std::int64_t tokens) {
    OwnedMatrix variance = backend->zeros(DType::f64, 1, 4);
    blocks.attention_features(view_host_layer(layer, hidden_size), {1, tokens},
                              stream.view().rows_from(0, tokens), features.view().rows_from(0, tokens),
                              variance.view());
    double sum = 0.0;
    for (int head = 0; head < 4; ++head) sum += variance.as<double>()[head];
    return sum;
  };
  EXPECT_GT(variance_of(length), 1e-3);
  EXPECT_EQ(variance_of(first_variance_query), 0.0);
  std::fill(layer.q.values.begin(), layer.q.values.end(), 0.0f);
  EXPECT_NEAR(variance_of(length), 0.0, 1e-8);
}

}  // namespace
}  // namespace cce
