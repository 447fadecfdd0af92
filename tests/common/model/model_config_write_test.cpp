#include "common/model/model_config_write.h"

#include <gtest/gtest.h>

#include "common/base/json_reader.h"
#include "common/model/compression_plan.h"
#include "tests/common/error_matcher.h"

namespace cce {
namespace {

std::string original_text(const std::string& model_type) {
  Json config = {{"architectures", {model_type == "qwen2" ? "Qwen2ForCausalLM" : "LlamaForCausalLM"}},
                 {"model_type", model_type},
                 {"_name_or_path", "someone/somewhere"},
                 {"hidden_size", 64},
                 {"intermediate_size", 96},
                 {"num_hidden_layers", 3},
                 {"num_attention_heads", 8},
                 {"num_key_value_heads", 4},
                 {"vocab_size", 100},
                 {"rope_theta", 5000.0},
                 {"unread_key", {1, 2}},
                 {"torch_dtype", "float32"}};
  return config.dump();
}

ModelConfig original(const std::string& model_type) {
  return parse_model_config(original_text(model_type), "config.json");
}

/// Every layer narrowed alike, the middle one dropped.
CompressionPlan uniform_plan(const ModelConfig& dense) {
  CompressionPlan plan = keep_all(dense);
  for (LayerPlan& layer : plan.layers) {
    layer.ffn_neurons.resize(64);
    layer.kv_groups = {0, 2};
    layer.rope_pairs.resize(2);
  }
  plan.layers[1].keep_attention = plan.layers[1].keep_ffn = false;
  return plan;
}

TEST(ModelConfigWriteTest, uniform_reads_back_as_the_compressed_model) {
  for (const char* family : {"llama", "qwen2"}) {
    SCOPED_TRACE(family);
    const ModelConfig compressed = apply_plan(original(family), uniform_plan(original(family)));
    const std::string text = to_config_json(compressed, ExportFormat::uniform, original_text(family), "bf16");
    const Json document = parse_json(text, "out");
    EXPECT_EQ(document.at("num_attention_heads"), 4);
    EXPECT_EQ(document.at("num_key_value_heads"), 2);
    EXPECT_EQ(document.at("head_dim"), 8);
    EXPECT_EQ(document.at("intermediate_size"), 64);
    EXPECT_EQ(document.at("num_hidden_layers"), 2);
    EXPECT_EQ(document.at("torch_dtype"), "bfloat16");
    EXPECT_EQ(document.at("unread_key"), Json({1, 2}));
    EXPECT_FALSE(document.contains("_name_or_path"));
    const ModelConfig read_back = parse_model_config(text, "out");
    EXPECT_EQ(read_back.layers, drop_empty_layers(compressed).layers);
    EXPECT_EQ(read_back.ropes.front().theta, 5000.0);
  }
}

TEST(ModelConfigWriteTest, custom_reads_back_with_a_shape_for_each_layer) {
  for (const char* family : {"llama", "qwen2"}) {
    SCOPED_TRACE(family);
    const ModelConfig dense = original(family);
    CompressionPlan plan = keep_all(dense);
    plan.layers[0].ffn_neurons.resize(32);
    plan.layers[0].vo_dim = 3;
    plan.layers[1].rope_pairs = {{0, 2}, {1, 3}, {0, 1}, {2, 3}};
    plan.layers[2].keep_attention = false;
    const ModelConfig compressed = apply_plan(dense, plan);
    const std::string text = to_config_json(compressed, ExportFormat::custom, original_text(family), "f32");
    const ModelConfig read_back = parse_model_config(text, "out");
    EXPECT_EQ(read_back.layers, compressed.layers);
    EXPECT_EQ(read_back.family, dense.family);
    EXPECT_EQ(read_back.architecture, "CceLlamaForCausalLM");
    EXPECT_EQ(read_back.head_dim, dense.head_dim);
    const Json document = parse_json(text, "out");
    EXPECT_EQ(document.at("model_type"), "cce_llama");
    EXPECT_EQ(document.at("auto_map").at("AutoModelForCausalLM"), "modeling_cce.CceLlamaForCausalLM");
    EXPECT_EQ(document.at("torch_dtype"), "float32");
  }
}

TEST(ModelConfigWriteTest, a_custom_checkpoint_can_become_uniform_again) {
  const ModelConfig dense = original("llama");
  const std::string custom = to_config_json(dense, ExportFormat::custom, original_text("llama"), "f32");
  const ModelConfig read_back = parse_model_config(custom, "custom");
  const std::string plain = to_config_json(read_back, ExportFormat::uniform, custom, "f32");
  EXPECT_EQ(parse_model_config(plain, "plain").layers, dense.layers);
  EXPECT_FALSE(parse_json(plain, "plain").contains("auto_map"));
}

TEST(ModelConfigWriteTest, newer_spelling_of_dtype_is_kept) {
  Json document = parse_json(original_text("llama"), "x");
  document.erase("torch_dtype");
  document["dtype"] = "float32";
  const std::string text = to_config_json(original("llama"), ExportFormat::uniform, document.dump(), "f16");
  EXPECT_EQ(parse_json(text, "x").at("dtype"), "float16");
  EXPECT_FALSE(parse_json(text, "x").contains("torch_dtype"));
}

struct WindowRow {
  const char* name;
  const char* family;
  Json changes;   // to the original
  Json expected;  // keys of the custom config.json
};

TEST(ModelConfigWriteTest, custom_says_the_window_that_is_used) {
  const Json full(3, "full_attention"), sliding(3, "sliding_attention");
  const WindowRow rows[] = {
      {"llama_leftover",
       "llama",
       {{"sliding_window", 16}, {"layer_types", sliding}},
       {{"sliding_window", nullptr}, {"layer_types", full}}},
      {"llama_without", "llama", {}, {{"sliding_window", Json()}}},
      {"mistral_default", "mistral", {}, {{"sliding_window", 4096}}},
      {"mistral_set", "mistral", {{"sliding_window", 16}}, {{"sliding_window", 16}}},
      {"qwen2_unused",
       "qwen2",
       {{"sliding_window", 16}, {"use_sliding_window", false}},
       {{"sliding_window", nullptr}}},
      {"qwen2_beyond_the_last",
       "qwen2",
       {{"sliding_window", 16}, {"use_sliding_window", true}, {"max_window_layers", 3}},
       {{"sliding_window", nullptr}}},
      {"qwen2_full_layers",
       "qwen2",
       {{"sliding_window", 16},
        {"use_sliding_window", true},
        {"max_window_layers", 0},
        {"layer_types", full}},
       {{"sliding_window", nullptr}, {"layer_types", full}}},
      {"qwen2_used",
       "qwen2",
       {{"use_sliding_window", true}, {"max_window_layers", 0}},
       {{"sliding_window", 4096}}},
  };
  for (const WindowRow& row : rows) {
    SCOPED_TRACE(row.name);
    Json config = parse_json(original_text(row.family), "x");
    if (std::string(row.family) == "mistral") config["architectures"] = {"MistralForCausalLM"};
    if (!row.changes.is_null()) config.update(row.changes);
    const ModelConfig dense = parse_model_config(config.dump(), "config.json");
    const std::string text = to_config_json(dense, ExportFormat::custom, config.dump(), "f32");
    const Json written = parse_json(text, "out");
    for (const auto& [key, value] : row.expected.items()) {
      EXPECT_EQ(written.value(key, Json()), value) << key;
    }
    EXPECT_EQ(parse_model_config(text, "out").layers, dense.layers);
  }
}

TEST(ModelConfigWriteTest, keys_that_say_the_same_already_stay) {
  Json config = parse_json(original_text("qwen2"), "x");
  config.update({{"sliding_window", 16}, {"use_sliding_window", false}, {"max_window_layers", 21}});
  const ModelConfig dense = parse_model_config(config.dump(), "config.json");
  const Json written = parse_json(to_config_json(dense, ExportFormat::uniform, config.dump(), "f32"), "out");
  for (const char* key : {"sliding_window", "use_sliding_window", "max_window_layers"}) {
    EXPECT_EQ(written.at(key), config.at(key)) << key;
  }
  EXPECT_FALSE(written.contains("tie_word_embeddings"));
}

TEST(ModelConfigWriteTest, a_head_of_its_own_unties) {
  Json config = parse_json(original_text("llama"), "x");
  config["tie_word_embeddings"] = true;
  ModelConfig dense = parse_model_config(config.dump(), "config.json");
  dense.tied_embeddings = false;
  for (const ExportFormat format : {ExportFormat::uniform, ExportFormat::custom}) {
    const Json written = parse_json(to_config_json(dense, format, config.dump(), "f32"), "out");
    EXPECT_EQ(written.at("tie_word_embeddings"), false);
  }
}

TEST(ModelConfigWriteTest, a_window_needs_a_class_that_has_one) {
  ModelConfig dense = original("llama");
  dense.layers[1].window = 16;
  expect_error([&] { to_config_json(dense, ExportFormat::uniform, original_text("llama"), "f32"); },
               ErrorCode::impossible_combination, "attention window of 16");
}

struct SectionRow {
  const char* name;
  const char* path;  // JSON pointer into the custom config
  Json value;
  ErrorCode code;
  const char* message;
};

TEST(ModelConfigWriteTest, damaged_cce_sections_are_refused) {
  const Json good = parse_json(
      to_config_json(original("llama"), ExportFormat::custom, original_text("llama"), "f32"), "custom");
  const SectionRow rows[] = {
      {"version", "/cce/schema_version", 2, ErrorCode::unsupported, "cce.schema_version"},
      {"base", "/cce/base_model_type", "gpt2", ErrorCode::unsupported, "gpt2"},
      {"layer_count", "/cce/layers", Json::array(), ErrorCode::out_of_range, "num_hidden_layers = 3"},
      {"unknown", "/cce/layers/1/fnn", 3, ErrorCode::unknown_key, "Did you mean 'ffn'?"},
      {"wide_ffn", "/cce/layers/0/ffn", 97, ErrorCode::out_of_range, "cce.layers[0].ffn"},
      {"odd_qk", "/cce/layers/0/qk_dim", 7, ErrorCode::out_of_range, "even width"},
      {"groups", "/cce/layers/0/kv_groups", 5, ErrorCode::out_of_range, "between 1 and 4"},
      {"queries", "/cce/layers/0/queries_per_group", 1, ErrorCode::out_of_range, "queries_per_group"},
      {"pair_count", "/cce/layers/0/rope_pairs", {0, 1}, ErrorCode::out_of_range, "16 entries"},
      {"pair_order", "/cce/layers/0/rope_pairs", {1, 0}, ErrorCode::out_of_range, "ascending"},
      {"pair_range", "/cce/layers/0/rope_pairs", {4}, ErrorCode::out_of_range, "rope_pairs[0]"},
      {"missing_pairs", "/cce/layers/0/qk_dim", 6, ErrorCode::out_of_range, "12 entries"},
      {"bias", "/cce/layers/0/biases", {"qq"}, ErrorCode::out_of_range, "biases[0]"},
      {"norm", "/cce/layers/0/norms", {"v"}, ErrorCode::out_of_range, "norms[0]"},
  };
  for (const SectionRow& row : rows) {
    SCOPED_TRACE(row.name);
    Json damaged = good;
    damaged[Json::json_pointer(row.path)] = row.value;
    expect_error([&] { parse_model_config(damaged.dump(), "custom"); }, row.code, row.message);
  }
}

TEST(ModelConfigWriteTest, shapes_that_a_format_cannot_carry_are_refused) {
  const ModelConfig dense = original("llama");
  CompressionPlan uneven = keep_all(dense);
  uneven.layers[2].ffn_neurons.resize(32);
  CompressionPlan narrow = keep_all(dense);
  narrow.layers[0].vo_dim = 4;
  CompressionPlan half = keep_all(dense);
  half.layers[1].keep_ffn = false;
  const auto write = [&](const CompressionPlan& plan, ExportFormat format) {
    to_config_json(apply_plan(dense, plan), format, original_text("llama"), "bf16");
  };
  expect_error([&] { write(uneven, ExportFormat::uniform); }, ErrorCode::impossible_combination, "layer 2");
  expect_error([&] { write(narrow, ExportFormat::uniform); }, ErrorCode::impossible_combination, "layer 0");
  expect_error([&] { write(half, ExportFormat::uniform); }, ErrorCode::impossible_combination, "no FFN");
  EXPECT_NO_THROW(write(half, ExportFormat::custom));
}

}  // namespace
}  // namespace cce
