#include "common/model/model_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/file.h"
#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

Json base_config(const std::string& model_type) {
  Json config = {{"model_type", model_type}, {"hidden_size", 64},        {"intermediate_size", 96},
                 {"num_hidden_layers", 3},   {"num_attention_heads", 8}, {"num_key_value_heads", 4},
                 {"vocab_size", 100}};
  return config;
}

ModelConfig parse(const Json& config) {
  return parse_model_config(config.dump(), "config.json");
}

Json with(Json config, const Json& changes) {
  if (!changes.is_null()) {
    config.update(changes);
  }
  return config;
}

TEST(ModelConfigTest, reads_a_real_small_llama) {
  const PosixFileSystem files;
  const std::string path = std::string(CCE_TESTS_DIR) + "/data/models/stories260K/config.json";
  const ModelConfig config = parse_model_config(files.read_text(path, 1 << 20), path);
  EXPECT_EQ(config.architecture, "LlamaForCausalLM");
  EXPECT_EQ(config.hidden_size, 64);
  EXPECT_EQ(config.head_dim, 8);
  EXPECT_EQ(config.max_positions, 512);
  EXPECT_EQ(config.rms_epsilon, 1e-5);
  EXPECT_TRUE(config.tied_embeddings);
  EXPECT_EQ(config.bos_token, 1);
  ASSERT_EQ(config.layers.size(), 5U);
  EXPECT_EQ(config.layers[4].kv_groups, 4);
  EXPECT_EQ(config.layers[4].queries_per_group, 2);
  EXPECT_EQ(config.layers[4].ffn_width, 172);
  // embedding 512 * 64; a layer: q and o 64 * 64, k and v 64 * 32, FFN 3 * 64 * 172
  EXPECT_EQ(block_parameters(config), 5 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 172));
  EXPECT_EQ(total_parameters(config), block_parameters(config) + 512 * 64);
}

TEST(ModelConfigTest, family_defaults_are_those_of_transformers) {
  const ModelConfig llama = parse(base_config("llama"));
  EXPECT_EQ(llama.max_positions, 2048);
  EXPECT_EQ(llama.rms_epsilon, 1e-6);
  EXPECT_EQ(llama.ropes, std::vector{RopeSettings{}});
  EXPECT_FALSE(llama.tied_embeddings);
  EXPECT_FALSE(llama.layers[0].q_bias);
  EXPECT_EQ(llama.layers[0].window, std::nullopt);

  const ModelConfig mistral = parse(base_config("mistral"));
  EXPECT_EQ(mistral.layers[0].window, 4096);
  EXPECT_EQ(mistral.max_positions, 131072);

  const ModelConfig qwen = parse(base_config("qwen2"));
  EXPECT_TRUE(qwen.layers[0].q_bias && qwen.layers[0].k_bias && qwen.layers[0].v_bias);
  EXPECT_FALSE(qwen.layers[0].o_bias);
  EXPECT_EQ(qwen.layers[0].window, std::nullopt);
  EXPECT_EQ(qwen.max_positions, 32768);

  const ModelConfig qwen3 = parse(base_config("qwen3"));
  EXPECT_EQ(qwen3.head_dim, 128);  // not 64 / 8
  EXPECT_TRUE(qwen3.layers[0].q_norm && qwen3.layers[0].k_norm);
  EXPECT_FALSE(qwen3.layers[0].q_bias || qwen3.layers[0].o_bias);
  EXPECT_TRUE(parse(with(base_config("qwen3"), {{"attention_bias", true}})).layers[0].o_bias);
}

TEST(ModelConfigTest, biases_of_llama) {
  const ModelConfig config =
      parse(with(base_config("llama"), {{"attention_bias", true}, {"mlp_bias", true}}));
  const LayerShape& shape = config.layers[2];
  EXPECT_TRUE(shape.q_bias && shape.k_bias && shape.v_bias && shape.o_bias);
  EXPECT_TRUE(shape.gate_bias && shape.up_bias && shape.down_bias);
  // q 64, k 32, v 32, o 64; gate 96, up 96, down 64
  EXPECT_EQ(layer_parameters(shape, 64), 2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96 + 192 + 256);
}

TEST(ModelConfigTest, both_spellings_of_rope) {
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

TEST(ModelConfigTest, rope_scalings_take_what_they_lack_from_other_keys) {
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

TEST(ModelConfigTest, keys_that_the_class_never_reads_are_ignored) {
  const ModelConfig plain = parse(base_config("llama"));
  const std::pair<const char*, Json> leftovers[] = {{"pretraining_tp", 2},
                                                    {"partial_rotary_factor", 0.5},
                                                    {"use_mrope", true},
                                                    {"embedding_multiplier", 12.0},
                                                    {"attn_logit_softcapping", 50.0},
                                                    {"hidden_activation", "gelu"},
                                                    {"num_experts", 4},
                                                    {"clip_qkv", 8.0},
                                                    {"hidden_act", "swish"}};
  for (const auto& [key, value] : leftovers) {
    SCOPED_TRACE(key);
    const ModelConfig config = parse(with(base_config("llama"), {{key, value}}));
    EXPECT_EQ(config.ropes, plain.ropes);
    EXPECT_EQ(config.layers, plain.layers);
  }
}

struct WindowRow {
  const char* name;
  const char* family;
  Json changes;
  std::optional<std::int64_t> window;
};

TEST(ModelConfigTest, sliding_windows) {
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

TEST(ModelConfigTest, windows_in_some_layers_only) {
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

TEST(ModelConfigTest, layers_turn_by_the_settings_of_their_type) {
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

TEST(ModelConfigTest, layers_without_rotary_positions) {
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

TEST(ModelConfigTest, what_families_multiply_by) {
  const ModelConfig gemma = parse(with(base_config("gemma3_text"), {{"query_pre_attn_scalar", 16}}));
  EXPECT_EQ(gemma.embedding_scale, 8.0);
  EXPECT_EQ(gemma.score_scale, 0.25);
  EXPECT_EQ(gemma.activation, Activation::gelu_tanh);
  EXPECT_TRUE(gemma.tied_embeddings);
  const ModelConfig granite = parse(with(base_config("granite"), {{"embedding_multiplier", 12.0},
                                                                  {"attention_multiplier", 0.015},
                                                                  {"residual_multiplier", 0.22},
                                                                  {"logits_scaling", 8.0}}));
  EXPECT_EQ(granite.embedding_scale, 12.0);
  EXPECT_EQ(granite.score_scale, 0.015);
  EXPECT_EQ(granite.residual_scale, 0.22);
  EXPECT_EQ(granite.logits_divisor, 8.0);
  EXPECT_EQ(parse(base_config("granite")).score_scale, 1.0);
}

TEST(ModelConfigTest, first_of_several_end_tokens) {
  EXPECT_EQ(parse(with(base_config("llama"), {{"eos_token_id", {7, 8}}})).eos_token, 7);
  EXPECT_EQ(parse(with(base_config("llama"), {{"eos_token_id", nullptr}})).eos_token, std::nullopt);
}

struct RefusedRow {
  const char* name;
  const char* family;
  Json changes;
  ErrorCode code;
  const char* message;
};

TEST(ModelConfigTest, configs_that_are_refused) {
  const RefusedRow rows[] = {
      {"family", "gpt2", {}, ErrorCode::unsupported, "config.json: model_type: found \"gpt2\""},
      {"architecture",
       "llama",
       {{"architectures", {"LlamaForSequenceClassification"}}},
       ErrorCode::unsupported,
       "LlamaForSequenceClassification"},
      {"activation", "llama", {{"hidden_act", "gelu"}}, ErrorCode::unsupported, "hidden_act"},
      {"rope_type",
       "llama",
       {{"rope_scaling", {{"type", "axial"}, {"factor", 2}}}},
       ErrorCode::unsupported,
       "rope_scaling.type: found \"axial\""},
      {"yarn_without_a_factor",
       "qwen2",
       {{"rope_parameters", {{"rope_type", "yarn"}}}},
       ErrorCode::wrong_type,
       "rope_parameters.factor"},
      {"partial_rotary",
       "llama",
       {{"partial_rotary_factor", 0.5}, {"rope_scaling", {{"type", "linear"}, {"factor", 2}}}},
       ErrorCode::unsupported,
       "0.5"},
      {"factors_of_pairs",
       "llama",
       {{"rope_scaling", {{"type", "longrope"}, {"short_factor", {1, 1}}, {"long_factor", {1, 1}}}}},
       ErrorCode::out_of_range,
       "4 numbers, one for each rotary pair"},
      {"quantised",
       "llama",
       {{"quantization_config", {{"bits", 4}}}},
       ErrorCode::unsupported,
       "quantisation"},
      {"code_beside", "llama", {{"auto_map", {{"AutoModel", "x.Y"}}}}, ErrorCode::unsupported, "auto_map"},
      {"types_without_a_window",
       "qwen2",
       {{"sliding_window", 16},
        {"layer_types", {"sliding_attention", "sliding_attention", "sliding_attention"}}},
       ErrorCode::unsupported,
       "no window in use"},
      {"pattern_without_a_window",
       "gemma3_text",
       {{"sliding_window", nullptr}},
       ErrorCode::unsupported,
       "no window in use"},
      {"capped_logits",
       "gemma3_text",
       {{"final_logit_softcapping", 30.0}},
       ErrorCode::unsupported,
       "final_logit_softcapping"},
      {"short_list_of_unturned_layers",
       "smollm3",
       {{"no_rope_layers", {1, 0}}},
       ErrorCode::out_of_range,
       "3 entries"},
      {"both_directions", "llama", {{"is_causal", false}}, ErrorCode::unsupported, "is_causal"},
      {"layers_of_their_own",
       "llama",
       {{"per_layer_config", {{"0", {{"intermediate_size", 8}}}}}},
       ErrorCode::unsupported,
       "per_layer_config"},
      {"rope_by_layer_type",
       "qwen2",
       {{"rope_parameters", {{"full_attention", {{"rope_theta", 1e6}}}}}},
       ErrorCode::unsupported,
       "rope_parameters.full_attention"},
      {"types_count", "qwen2", {{"layer_types", {"full_attention"}}}, ErrorCode::out_of_range, "3 entries"},
      {"no_hidden", "llama", {{"hidden_size", nullptr}}, ErrorCode::wrong_type, "hidden_size: found nothing"},
      {"zero_layers", "llama", {{"num_hidden_layers", 0}}, ErrorCode::out_of_range, "num_hidden_layers"},
      {"fraction", "llama", {{"hidden_size", 64.5}}, ErrorCode::wrong_type, "64.5"},
      {"negative_width", "llama", {{"intermediate_size", -1}}, ErrorCode::out_of_range, "intermediate_size"},
      {"groups",
       "llama",
       {{"num_key_value_heads", 3}},
       ErrorCode::out_of_range,
       "multiple of num_key_value_heads"},
      {"more_groups_than_heads",
       "llama",
       {{"num_key_value_heads", 16}},
       ErrorCode::out_of_range,
       "between 1 and 8"},
      {"heads",
       "llama",
       {{"num_attention_heads", 12}},
       ErrorCode::out_of_range,
       "multiple of num_attention_heads"},
      {"odd_head", "llama", {{"head_dim", 7}}, ErrorCode::unsupported, "even width"},
      {"epsilon", "llama", {{"rms_norm_eps", 0}}, ErrorCode::out_of_range, "above 0"},
      {"theta", "llama", {{"rope_theta", "big"}}, ErrorCode::wrong_type, "rope_theta"},
      {"llama3_keys",
       "llama",
       {{"rope_scaling", {{"rope_type", "llama3"}, {"factor", 8}}}},
       ErrorCode::wrong_type,
       "rope_scaling.low_freq_factor"},
  };
  for (const RefusedRow& row : rows) {
    SCOPED_TRACE(row.name);
    expect_error([&] { parse(with(base_config(row.family), row.changes)); }, row.code, row.message);
  }
}

TEST(ModelConfigTest, descriptive_keys_are_ignored) {
  EXPECT_NO_THROW(parse(with(base_config("llama"), {{"transformers_version", "4.46"},
                                                    {"_name_or_path", "x"},
                                                    {"initializer_range", 0.02},
                                                    {"use_cache", true},
                                                    {"attention_dropout", 0.0},
                                                    {"pretraining_tp", 1},
                                                    {"is_llama_config", true},
                                                    {"rope_interleaved", false},
                                                    {"dtype", "bfloat16"}})));
}

TEST(ModelConfigTest, flops_count_visible_keys) {
  Json tiny = base_config("llama");
  tiny.update({{"num_hidden_layers", 1}});
  const ModelConfig config = parse(tiny);
  const double matrices = static_cast<double>(block_parameters(config)) + 100.0 * 64.0;
  // length 3: positions see 1, 2 and 3 keys, 2 on average; 8 heads of 8 + 8
  EXPECT_DOUBLE_EQ(flops_per_token(config, 3), 2.0 * (matrices + 2.0 * 8.0 * 16.0));
  ModelConfig windowed = config;
  windowed.layers[0].window = 2;  // 1, 2 and 2 keys
  EXPECT_DOUBLE_EQ(flops_per_token(windowed, 3), 2.0 * (matrices + 5.0 / 3.0 * 8.0 * 16.0));
}

}  // namespace
}  // namespace cce
