#include "worker/model/rope_table.h"
#include "worker/model/rope_frequencies.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/common/error_matcher.h"
#include "tests/worker/model/model_golden.h"
#include "tests/worker/model/random_layer.h"

namespace cce {
namespace {

TEST(RopeFrequencies, fall_geometrically_from_one) {
  ModelConfig config = tiny_config(attention_shape_of(1, 1, 8, 8), 8, 8);
  config.ropes[0].theta = 10000.0;
  const std::vector<float> frequencies = rope_frequencies(config.ropes[0], config.head_dim, 1);
  const float expected[] = {1.0f, 0.1f, 0.01f, 0.001f};
  ASSERT_EQ(frequencies.size(), 4u);
  for (std::size_t j = 0; j < 4; ++j) EXPECT_NEAR(frequencies[j] / expected[j], 1.0f, 2e-7f);
}

TEST(RopeFrequencies, llama3_scaling_keeps_the_fast_and_slows_the_slow) {
  ModelConfig config = tiny_config(attention_shape_of(1, 1, 64, 64), 64, 64);
  config.ropes[0].theta = 500000.0;
  const std::vector<float> plain = rope_frequencies(config.ropes[0], config.head_dim, 1);
  config.ropes[0].scaling =
      Llama3Rope{.factor = 8, .low_freq_factor = 1, .high_freq_factor = 4, .original_max_position = 8192};
  const std::vector<float> scaled = rope_frequencies(config.ropes[0], config.head_dim, 1);
  int kept = 0, slowed = 0;
  for (std::size_t j = 0; j < plain.size(); ++j) {
    const double wavelength = 2 * std::numbers::pi / static_cast<double>(plain[j]);
    const float ratio = scaled[j] / plain[j];
    if (wavelength < 8192.0 / 4) {
      EXPECT_EQ(ratio, 1.0f);
      ++kept;
    } else if (wavelength > 8192.0) {
      EXPECT_EQ(ratio, 0.125f);
      ++slowed;
    } else {
      EXPECT_TRUE(ratio > 0.125f && ratio < 1.0f) << ratio;
    }
  }
  EXPECT_GT(kept, 0);
  EXPECT_GT(slowed, 0);
}

TEST(RopeTables, a_layer_with_its_own_pairs_selects_columns_and_lengths_grow) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const LayerShape dense = attention_shape_of(2, 1, 8, 8);
  const ModelConfig config = tiny_config(dense, 8, 8);
  RopeTables tables(*backend, config);
  LayerShape pruned = attention_shape_of(2, 1, 4, 8);
  pruned.rope_pairs = {0, 3, 1, 2};
  for (const std::int64_t length : {3, 2, 9, 40}) {
    const HostMatrix whole = downloaded(*backend, tables.for_layer(dense, length).sin);
    const HostMatrix selected = downloaded(*backend, tables.for_layer(pruned, length).sin);
    ASSERT_GE(whole.rows, length);
    ASSERT_EQ(selected.cols, 4);
    for (std::int64_t position = 0; position < length; ++position) {
      for (std::int64_t column = 0; column < 4; ++column) {
        const std::int32_t pair = pruned.rope_pairs[static_cast<std::size_t>(column)];
        EXPECT_EQ(selected.row(position)[column], whole.row(position)[pair]);
        EXPECT_EQ(whole.row(position)[4 + pair], whole.row(position)[pair]);
      }
      EXPECT_FLOAT_EQ(whole.row(position)[0], std::sin(static_cast<float>(position)));
    }
  }
}

TEST(RopeTables, refuses_pairs_that_do_not_fit) {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  RopeTables tables(*backend, tiny_config(attention_shape_of(1, 1, 8, 8), 8, 8));
  LayerShape shape = attention_shape_of(1, 1, 4, 8);
  expect_error([&] { tables.for_layer(shape, 2); }, ErrorCode::shape_mismatch, "qk_dim 4");
  shape.rope_pairs = {1};
  expect_error([&] { tables.for_layer(shape, 2); }, ErrorCode::shape_mismatch, "1 pairs");
  shape.rope_pairs = {1, 4};
  expect_error([&] { tables.for_layer(shape, 2); }, ErrorCode::shape_mismatch, "pair 4");
}

}  // namespace
}  // namespace cce
