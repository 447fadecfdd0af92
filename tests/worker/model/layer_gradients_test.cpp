#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "common/model/architecture.h"
#include "tests/worker/model/layer_shapes.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/random_layer.h"
#include "worker/model/block.h"
#include "worker/model/block_gradients.h"

// Gradients of every trained part of a layer against finite differences of its forward pass. The loss is Σ R
// ⊙ (stream after the layer), R random.

namespace cce {
namespace {

/// The numbers of a layer on the CPU.
std::span<float> values_of(LayerNumbers& numbers) {
  const Matrix row = numbers.row();
  return {row.as<float>(), static_cast<std::size_t>(row.cols)};
}
std::vector<float> host_numbers(LayerNumbers& numbers) {
  return {values_of(numbers).begin(), values_of(numbers).end()};
}

constexpr std::int64_t hidden_size = 12;
constexpr TokenBatch batch{2, 5};

struct LayerRow {
  const char* name;
  LayerShape shape;
  std::int64_t head_dim;
  Activation activation;
};

LayerShape whole(LayerShape shape, std::int64_t ffn_width, bool biases) {
  shape.has_ffn = true;
  shape.ffn_width = ffn_width;
  shape.q_bias = shape.k_bias = shape.v_bias = shape.o_bias = biases;
  shape.gate_bias = shape.up_bias = shape.down_bias = biases;
  return shape;
}
LayerShape ffn_alone(std::int64_t width) {
  LayerShape shape;
  shape.has_attention = false;
  shape.ffn_width = width;
  return shape;
}

const LayerRow layer_rows[] = {
    {"multi_head", whole(attention_shape_of(3, 1, 4, 4), 9, false), 4, Activation::silu},
    {"grouped_queries_and_biases", whole(attention_shape_of(2, 3, 4, 4), 7, true), 4, Activation::silu},
    {"narrow_values", whole(attention_shape_of(2, 2, 6, 3), 16, false), 6, Activation::silu},
    {"kept_pairs_differ_by_group", with_pairs(whole(attention_shape_of(2, 2, 4, 4), 5, false), {0, 2, 1, 2}),
     6, Activation::silu},
    {"everything", with_window(with_pairs(whole(attention_shape_of(2, 2, 2, 5), 17, true), {1, 2}), 3), 6,
     Activation::silu},
    {"normed_heads", with_norms(whole(attention_shape_of(2, 3, 4, 5), 9, false)), 4, Activation::silu},
    {"normed_heads_and_biases", with_window(with_norms(whole(attention_shape_of(2, 2, 6, 3), 7, true)), 3), 6,
     Activation::silu},
    {"normed_before_and_after",
     normed_after(with_norms(whole(attention_shape_of(2, 2, 4, 3), 9, true)), true), 4,
     Activation::gelu_tanh},
    {"normed_after_alone",
     normed_after(with_spanning_norms(whole(attention_shape_of(2, 2, 4, 4), 7, false)), false), 4,
     Activation::silu},
    {"not_turned", without_rope(whole(attention_shape_of(2, 3, 4, 5), 9, false)), 4, Activation::silu},
    {"attention_alone", attention_shape_of(2, 2, 4, 4), 4, Activation::silu},
    {"ffn_alone", ffn_alone(16), 4, Activation::silu},
};

class LayerGradients : public ::testing::TestWithParam<LayerRow> {
 protected:
  LayerGradients()
      : backend_(make_cpu_backend(1)),
        config_(tiny_config(GetParam().shape, hidden_size, GetParam().head_dim)),
        layer_(random_layer(GetParam().shape, hidden_size, 1)),
        stream_(random_matrix(batch.tokens(), hidden_size, 2)),
        weight_of_output_(random_matrix(batch.tokens(), hidden_size, 3)) {
    config_.activation = GetParam().activation;
  }

  double loss() {
    BlockRunner blocks(*backend_, config_);
    OwnedMatrix stream = uploaded(*backend_, stream_), features;
    run_layer(*backend_, blocks, view_host_layer(layer_, hidden_size), batch, stream.view(), features);
    const HostMatrix after = downloaded(*backend_, stream.view());
    double sum = 0.0;
    for (std::size_t i = 0; i < after.values.size(); ++i) {
      sum += static_cast<double>(after.values[i]) * static_cast<double>(weight_of_output_.values[i]);
    }
    return sum;
  }

  /// ∂loss/∂value from four points; the error is of fourth order in the step.
  float derivative(float& value) {
    // A norm behind the value bends the loss more.
    const float step = GetParam().shape.keeps_qk_whole() ? 0.01f : 0.03f;
    const float original = value;
    const auto at = [&](float offset) {
      value = original + offset;
      const double result = loss();
      value = original;
      return result;
    };
    return static_cast<float>((8.0 * (at(step) - at(-step)) - (at(2 * step) - at(-2 * step))) /
                              (12.0 * static_cast<double>(step)));
  }

  /// What a gradient's error is measured against: its own largest entry, but that of the queries' bias for
  /// the keys' bias. Softmax ignores what all keys share, so that the keys' gradient is what rotation leaves
  /// of large terms that cancel.
  double scale(const LayerNumbers& gradients, TensorRole role) {
    const LayerWeights parts = gradients.weights();
    const HostMatrix part =
        downloaded(*backend_, role == TensorRole::k_bias ? parts.q_bias : part_view(parts, role));
    double largest = 0.0;
    for (const float value : part.values) largest = std::max(largest, std::abs(static_cast<double>(value)));
    return largest;
  }
  static double difference_over(double scale, const std::vector<float>& a, const std::vector<float>& b) {
    double difference = 0.0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const double error = std::abs(static_cast<double>(a.at(i)) - static_cast<double>(b[i]));
      difference = std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(difference, error);
    }
    return difference / scale;
  }

  std::unique_ptr<Backend> backend_;
  ModelConfig config_;
  HostLayer layer_;
  HostMatrix stream_, weight_of_output_;
};

TEST_P(LayerGradients, of_every_part_and_of_the_stream_are_the_derivatives_of_the_loss) {
  BlockRunner blocks(*backend_, config_);
  const OwnedMatrix stream = uploaded(*backend_, stream_);
  OwnedMatrix d_stream = uploaded(*backend_, weight_of_output_);
  LayerNumbers gradients(*backend_, GetParam().shape, hidden_size);
  blocks.layer_gradients(view_host_layer(layer_, hidden_size), batch, stream.view(), d_stream.view(),
                         gradients.parts());
  for (const TensorRole role : layer_roles()) {
    HostMatrix& part = part_view(layer_, role);
    const HostMatrix found = downloaded(*backend_, part_view(gradients.weights(), role));
    ASSERT_EQ(found.values.size(), part.values.size()) << role_name(role);
    if (part.empty()) continue;
    std::vector<float> expected;
    for (float& value : part.values) expected.push_back(derivative(value));
    EXPECT_LE(difference_over(scale(gradients, role), found.values, expected), 1e-3) << role_name(role);
  }
  std::vector<float> expected;
  for (float& value : stream_.values) expected.push_back(derivative(value));
  EXPECT_LE(relative_difference(downloaded(*backend_, d_stream.view()).values, expected), 1e-3);
}

TEST_P(LayerGradients, micro_batches_add_up_to_the_batch) {
  BlockRunner blocks(*backend_, config_);
  const LayerWeights weights = view_host_layer(layer_, hidden_size);
  const OwnedMatrix stream = uploaded(*backend_, stream_);
  OwnedMatrix at_once = uploaded(*backend_, weight_of_output_),
              in_parts = uploaded(*backend_, weight_of_output_);
  LayerNumbers whole_gradients(*backend_, GetParam().shape, hidden_size),
      sums(*backend_, GetParam().shape, hidden_size);
  blocks.layer_gradients(weights, batch, stream.view(), at_once.view(), whole_gradients.parts());
  for (std::int64_t sequence = 0; sequence < batch.sequences; ++sequence) {
    const std::int64_t first = sequence * batch.length;
    blocks.layer_gradients(weights, {1, batch.length}, stream.view().rows_from(first, batch.length),
                           in_parts.view().rows_from(first, batch.length), sums.parts());
  }
  const std::vector<float> expected = host_numbers(whole_gradients);
  const std::vector<float> found = host_numbers(sums);
  EXPECT_LE(relative_difference(found, expected), 1e-6);
  EXPECT_LE(relative_difference(downloaded(*backend_, in_parts.view()).values,
                                downloaded(*backend_, at_once.view()).values),
            1e-6);
}

TEST_P(LayerGradients, bf16_weights_give_the_same_gradients_within_their_rounding) {
  BlockRunner blocks(*backend_, config_);
  const LayerShape& shape = GetParam().shape;
  OwnedMatrix packed = backend_->zeros(
      DType::f32, 1, static_cast<std::int64_t>(packed_layer_bytes(shape, hidden_size, DType::bf16)));
  const std::span<std::byte> block{packed.as<std::byte>(),
                                   packed_layer_bytes(shape, hidden_size, DType::bf16)};
  pack_host_layer(layer_, hidden_size, DType::bf16, block);
  const OwnedMatrix stream = uploaded(*backend_, stream_);
  OwnedMatrix d_stream = uploaded(*backend_, weight_of_output_),
              d_rounded = uploaded(*backend_, weight_of_output_);
  LayerNumbers gradients(*backend_, shape, hidden_size), rounded(*backend_, shape, hidden_size);
  blocks.layer_gradients(view_host_layer(layer_, hidden_size), batch, stream.view(), d_stream.view(),
                         gradients.parts());
  blocks.layer_gradients(view_packed_layer(shape, hidden_size, DType::bf16, block), batch, stream.view(),
                         d_rounded.view(), rounded.parts());
  for (const TensorRole role : layer_roles()) {
    const HostMatrix expected = downloaded(*backend_, part_view(gradients.weights(), role));
    if (expected.empty()) continue;
    const HostMatrix found = downloaded(*backend_, part_view(rounded.weights(), role));
    EXPECT_LE(difference_over(scale(gradients, role), found.values, expected.values), 4e-2)
        << role_name(role);
  }
}

std::string row_name(const ::testing::TestParamInfo<LayerRow>& row) {
  return row.param.name;
}
INSTANTIATE_TEST_SUITE_P(Layers, LayerGradients, ::testing::ValuesIn(layer_rows), row_name);

TEST(KeyBias, without_rotation_has_no_influence_and_no_gradient) {
  // Softmax ignores what all keys share: at one position per sequence nothing rotates keys apart.
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape shape = whole(attention_shape_of(2, 2, 4, 4), 8, true);
  BlockRunner blocks(*backend, tiny_config(shape, hidden_size, 4));
  const HostLayer layer = random_layer(shape, hidden_size, 1);
  const OwnedMatrix stream = uploaded(*backend, random_matrix(6, hidden_size, 2));
  OwnedMatrix d_stream = uploaded(*backend, random_matrix(6, hidden_size, 3));
  LayerNumbers gradients(*backend, shape, hidden_size);
  blocks.layer_gradients(view_host_layer(layer, hidden_size), {6, 1}, stream.view(), d_stream.view(),
                         gradients.parts());
  for (const float value : downloaded(*backend, gradients.weights().k_bias).values)
    EXPECT_NEAR(value, 0.0f, 1e-5f);
}

TEST(LayerGradientsErrors, a_sub_block_that_is_not_there_has_no_gradients) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape shape = ffn_alone(8);
  BlockRunner blocks(*backend, tiny_config(shape, hidden_size, 4));
  const HostLayer layer = random_layer(shape, hidden_size, 1);
  const LayerNumbers gradients(*backend, shape, hidden_size);
  const LayerWeights weights = view_host_layer(layer, hidden_size);
  EXPECT_THROW(blocks.attention_gradients(weights, batch, {}, {}, gradients.parts()), Error);
}

TEST(LayerNumbers, keeps_its_memory_from_layer_to_layer_and_starts_at_zero) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape large = whole(attention_shape_of(3, 1, 4, 4), 40, true), small = ffn_alone(8);
  LayerNumbers numbers(*backend, large, hidden_size);
  const float* memory = values_of(numbers).data();
  std::fill(values_of(numbers).begin(), values_of(numbers).end(), 1.0f);
  numbers.reset(small, hidden_size);
  EXPECT_EQ(values_of(numbers).data(), memory);
  EXPECT_EQ(values_of(numbers).size() * sizeof(float), packed_layer_bytes(small, hidden_size, DType::f32));
  for (const float value : values_of(numbers)) EXPECT_EQ(value, 0.0f);
}

TEST(StepLayer, moves_every_part_against_its_gradient_and_decays_matrices_alone) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape shape = whole(attention_shape_of(2, 2, 4, 4), 16, true);
  const HostLayer layer = random_layer(shape, hidden_size, 1);
  LayerNumbers gradients(*backend);
  gradients.assign(random_layer(shape, hidden_size, 2), hidden_size);
  LayerNumbers trained(*backend);
  trained.assign(layer, hidden_size);
  LayerMoments moments(*backend, shape, hidden_size);
  const std::size_t bytes = packed_layer_bytes(shape, hidden_size, DType::bf16);
  OwnedMatrix packed = backend->zeros(DType::bf16, 1, static_cast<std::int64_t>(bytes / 2));
  const std::span<std::byte> block{packed.as<std::byte>(), bytes};
  step_layer(*backend, {.learning_rate = 0.01, .weight_decay = 0.5}, gradients, trained, moments, DType::bf16,
             block);
  const LayerWeights rounded = view_packed_layer(shape, hidden_size, DType::bf16, block);
  const LayerWeights slopes = gradients.weights(), master = trained.weights();
  for (const TensorRole role : layer_roles()) {
    const PartSize size = part_size(shape, hidden_size, role);
    const double kept = size.is_matrix ? 1.0 - 0.01 * 0.5 : 1.0;
    for (std::int64_t i = 0; i < size.elements(); ++i) {
      const double before = static_cast<double>(part_view(layer, role).values[static_cast<std::size_t>(i)]);
      const float slope = part_view(slopes, role).as<float>()[i],
                  after = part_view(master, role).as<float>()[i];
      // The first step of Adam is the learning rate in the direction of the sign.
      const double expected = kept * before - (slope > 0.0f ? 0.01 : -0.01);
      ASSERT_NEAR(static_cast<double>(after), expected, 1e-5) << role_name(role);
      const ConstMatrix& copy = part_view(rounded, role);
      const float stored = size.is_matrix ? to_float(copy.as<BFloat16>()[i]) : copy.as<float>()[i];
      ASSERT_EQ(stored, size.is_matrix ? to_float(to_bfloat16(after)) : after) << role_name(role);
    }
  }
}

}  // namespace
}  // namespace cce
