#include "common/model/model_config.h"

#include <gtest/gtest.h>

#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"
#include "tests/common/model/config_json.h"

namespace cce {
namespace {

TEST(ModelConfigPositionsTest, both_spellings_of_rope) {
  const Json llama3 = {{"rope_type", "llama3"},
                       {"factor", 32.0},
                       {"low_freq_factor", 1.0},
                       {"high_freq_factor", 4.0},
                       {"original_max_position_embeddings", 8192}};
  Json newer = llama3;
  newer["rope_theta"] = 500000.0;
  const ModelConfig old_spelling =
      parse(with(base_config("llama"), {{"rope_theta", 500000.0}, {"rope_scaling", llama3}}));
  const ModelConfig new_spelling = parse(with(base_config("llama"), {{"rope_parameters", newer}}));
  for (const ModelConfig& config : {old_spelling, new_spelling}) {
    EXPECT_EQ(config.ropes.front().theta, 500000.0);
    EXPECT_EQ(
        config.ropes.front().scaling,
        RopeScaling(Llama3Rope{
            .factor = 32.0, .low_freq_factor = 1.0, .high_freq_factor = 4.0, .original_max_position = 8192}));
  }
  const ModelConfig plain = parse(with(
      base_config("llama"), {{"rope_scaling", nullptr}, {"rope_parameters", {{"rope_type", "default"}}}}));
  EXPECT_FALSE(plain.ropes.front().scaling.has_value());
}

TEST(ModelConfigPositionsTest, rope_scalings_take_what_they_lack_from_other_keys) {
  const auto scaling_of = [](const Json& section, const Json& changes = Json::object()) {
    Json all = {{"rope_scaling", section}, {"max_position_embeddings", 256}};
    all.update(changes);
    return parse(with(base_config("llama"), all)).ropes.front().scaling.value();
  };
  EXPECT_EQ(scaling_of({{"type", "linear"}, {"factor", 4}}), RopeScaling(LinearRope{4.0}));
  EXPECT_EQ(scaling_of({{"type", "dynamic"}, {"factor", 2}}), RopeScaling(DynamicRope{2.0, 256}));

  const YarnRope inferred{
      .factor = 4.0, .attention_factor = 0.1 * std::log(4.0) + 1.0, .original_max_position = 64};
  const Json yarn = {{"type", "yarn"}, {"factor", nullptr}, {"original_max_position_embeddings", 64}};
  EXPECT_EQ(scaling_of(yarn), RopeScaling(inferred));
  EXPECT_EQ(scaling_of(yarn, {{"original_max_position_embeddings", 128}}),
            RopeScaling(YarnRope{
                .factor = 2.0, .attention_factor = 0.1 * std::log(2.0) + 1.0, .original_max_position = 128}));
  Json set = yarn;
  set.update(
      {{"factor", 4}, {"mscale", 0.707}, {"mscale_all_dim", 0.5}, {"beta_fast", 16}, {"truncate", false}});
  const auto deepseek = std::get<YarnRope>(scaling_of(set));
  EXPECT_DOUBLE_EQ(deepseek.attention_factor, (0.0707 * std::log(4.0) + 1.0) / (0.05 * std::log(4.0) + 1.0));
  EXPECT_EQ(deepseek.beta_fast, 16.0);
  EXPECT_FALSE(deepseek.truncate);

  const Json longrope = {{"type", "longrope"},
                         {"short_factor", {1, 1, 1, 2}},
                         {"long_factor", {1, 2, 3, 4}},
                         {"original_max_position_embeddings", 64}};
  EXPECT_EQ(scaling_of(longrope),
            RopeScaling(LongRope{.short_factor = {1, 1, 1, 2},
                                 .long_factor = {1, 2, 3, 4},
                                 .attention_factor = std::sqrt(1.0 + std::log(4.0) / std::log(64.0)),
                                 .original_max_position = 64}));
}

struct WindowRow {
  const char* name;
  const char* family;
  Json changes;
  std::optional<std::int64_t> window;
};

TEST(ModelConfigPositionsTest, sliding_windows) {
  const WindowRow rows[] = {
      {"mistral_null", "mistral", {{"sliding_window", nullptr}}, std::nullopt},
      {"mistral_set", "mistral", {{"sliding_window", 16}}, 16},
      {"llama_never", "llama", {{"sliding_window", 16}}, std::nullopt},
      {"llama_whatever_the_layers",
       "llama",
       {{"sliding_window", 16}, {"layer_types", {"sliding_attention"}}},
       std::nullopt},
      {"qwen_leftover", "qwen2", {{"sliding_window", 16}, {"max_window_layers", 0}}, std::nullopt},
      {"qwen_default_size", "qwen2", {{"use_sliding_window", true}, {"max_window_layers", 0}}, 4096},
      {"qwen_null",
       "qwen2",
       {{"sliding_window", nullptr}, {"use_sliding_window", true}, {"max_window_layers", 0}},
       std::nullopt},
      {"qwen_off", "qwen2", {{"sliding_window", 16}, {"use_sliding_window", false}}, std::nullopt},
      {"qwen_all",
       "qwen2",
       {{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 0}},
       16},
      {"qwen_beyond_the_last",
       "qwen2",
       {{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 3}},
       std::nullopt},
      {"types_full",
       "qwen2",
       {{"layer_types", {"full_attention", "full_attention", "full_attention"}}},
       std::nullopt},
  };
  for (const WindowRow& row : rows) {
    for (const LayerShape& layer : parse(with(base_config(row.family), row.changes)).layers) {
      EXPECT_EQ(layer.window, row.window) << row.name;
    }
  }
}

TEST(ModelConfigPositionsTest, windows_in_some_layers_only) {
  using Windows = std::vector<std::optional<std::int64_t>>;
  const auto windows_of = [](const char* family, const Json& changes) {
    Windows windows;
    for (const LayerShape& layer : parse(with(base_config(family), changes)).layers) {
      windows.push_back(layer.window);
    }
    return windows;
  };
  const Json mixed = {"full_attention", "sliding_attention", "full_attention"};
  EXPECT_EQ(
      windows_of("qwen2", {{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 1}}),
      (Windows{std::nullopt, 16, 16}));
  EXPECT_EQ(
      windows_of("qwen2", {{"sliding_window", 16}, {"use_sliding_window", true}, {"layer_types", mixed}}),
      (Windows{std::nullopt, 16, std::nullopt}));
  EXPECT_EQ(windows_of("mistral", {{"layer_types", mixed}}), (Windows{std::nullopt, 4096, std::nullopt}));
  EXPECT_EQ(windows_of("gemma3_text", {{"sliding_window", 8}, {"sliding_window_pattern", 2}}),
            (Windows{8, std::nullopt, 8}));
  EXPECT_EQ(windows_of("gemma3_text", {{"sliding_window", 8}}), (Windows{8, 8, 8}));
  EXPECT_EQ(windows_of("olmo3", {{"sliding_window", 8}, {"layer_types", mixed}}),
            (Windows{std::nullopt, 8, std::nullopt}));
}

TEST(ModelConfigPositionsTest, layers_turn_by_the_settings_of_their_type) {
  Json sections = {{"full_attention", {{"rope_type", "linear"}, {"factor", 8}, {"rope_theta", 5e6}}},
                   {"sliding_attention", {{"rope_type", "default"}}}};
  const Json rows[] = {{{"rope_parameters", sections}},
                       {{"rope_theta", 5e6},
                        {"rope_local_base_freq", 10000},
                        {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8}}}}};
  for (const Json& row : rows) {
    Json changes = {{"sliding_window_pattern", 2}};
    changes.update(row);
    const ModelConfig config = parse(with(base_config("gemma3_text"), changes));
    EXPECT_EQ(config.ropes,
              (std::vector{RopeSettings{.theta = 5e6, .scaling = LinearRope{8}}, RopeSettings{}}));
    EXPECT_EQ(config.layers[0].rope, 1);
    EXPECT_EQ(config.layers[1].rope, 0);
  }
  const ModelConfig silent = parse(base_config("gemma3_text"));
  EXPECT_EQ(silent.ropes.front().theta, 1e6);
  EXPECT_EQ(parse(with(base_config("olmo3"), {{"rope_theta", 1000.0}})).ropes,
            (std::vector{RopeSettings{.theta = 1000.0, .scaling = {}},
                         RopeSettings{.theta = 500000.0, .scaling = {}}}));
}

TEST(ModelConfigPositionsTest, layers_without_rotary_positions) {
  const auto ropes_of = [](const Json& changes) {
    std::vector<std::int32_t> ropes;
    for (const LayerShape& layer : parse(with(base_config("smollm3"), changes)).layers) {
      ropes.push_back(layer.rope);
    }
    return ropes;
  };
  const std::int32_t none = LayerShape::no_rope;
  EXPECT_EQ(ropes_of({{"no_rope_layers", {0, 1, 0}}}), (std::vector{none, 0, none}));
  EXPECT_EQ(ropes_of({{"no_rope_layer_interval", 2}}), (std::vector{0, none, 0}));
  EXPECT_EQ(ropes_of(Json::object()), (std::vector{0, 0, 0}));
}

}  // namespace
}  // namespace cce
