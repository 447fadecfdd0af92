#include "common/model/model_config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/file.h"
#include "common/base/json_reader.h"
#include "tests/common/error_matcher.h"
#include "tests/common/model/config_json.h"

namespace cce {
namespace {

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
