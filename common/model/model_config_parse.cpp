#include <algorithm>
#include <limits>

#include "common/base/json_reader.h"
#include "common/model/model_config.h"
#include "common/model/model_config_cce.h"

namespace cce {
namespace {

constexpr IntegerRange size_range{.lowest = 1, .highest = 1 << 24};
constexpr IntegerRange token_range{.lowest = 0, .highest = 1 << 24};

/// What transformers assumes where a family's config.json is silent.
struct FamilyDefaults {
  Family family;
  std::string architecture;
  std::int64_t max_positions;
  std::optional<std::int64_t> kv_heads;        // absent: as many as query heads
  std::optional<std::int64_t> sliding_window;  // where the key is absent
  bool qkv_bias;
};

FamilyDefaults defaults_of(const std::string& model_type, const JsonReader& reader) {
  if (model_type == "llama") {
    return {Family::llama, "LlamaForCausalLM", 2048, std::nullopt, std::nullopt, false};
  }
  if (model_type == "mistral") {
    return {Family::mistral, "MistralForCausalLM", 131072, 8, 4096, false};
  }
  if (model_type == "qwen2") {
    return {Family::qwen2, "Qwen2ForCausalLM", 32768, 32, 4096, true};
  }
  reader.refuse(ErrorCode::unsupported, "one of llama, mistral, qwen2, cce_llama",
                "This version compresses checkpoints of these families only");
}

/// Keys that other code or later versions read and that change what is computed, with the value that changes
/// nothing.
void refuse_other_computation(JsonReader& config) {
  const std::vector<std::pair<std::string, Json>> neutral_values = {{"hidden_act", "silu"},
                                                                    {"hidden_activation", "silu"},
                                                                    {"pretraining_tp", 1},
                                                                    {"partial_rotary_factor", 1},
                                                                    {"rope_interleaved", false},
                                                                    {"qk_layernorm", false},
                                                                    {"use_qk_norm", false},
                                                                    {"attn_logit_softcapping", 0},
                                                                    {"final_logit_softcapping", 0},
                                                                    {"embedding_multiplier", 1},
                                                                    {"residual_multiplier", 1},
                                                                    {"logits_scaling", 1},
                                                                    {"clip_qkv", 0},
                                                                    {"num_local_experts", 0},
                                                                    {"num_experts", 0},
                                                                    {"is_encoder_decoder", false},
                                                                    {"add_cross_attention", false},
                                                                    {"lm_head_bias", false},
                                                                    {"use_mrope", false}};
  for (const auto& [key, neutral] : neutral_values) {
    const std::optional<JsonReader> value = config.optional(key);
    if (value && value->json() != neutral) {
      value->refuse(ErrorCode::unsupported, neutral.dump(), "No checkpoint with this setting can be read");
    }
  }
  if (config.has("quantization_config")) {
    config.required("quantization_config")
        .refuse(ErrorCode::unsupported, "F32, F16 or BF16 weights",
                "Start from the checkpoint before quantisation");
  }
}

Llama3RopeScaling parse_llama3_scaling(JsonReader& rope) {
  const NumberRange positive{.lowest = 0.0, .highest = 1e6, .above_lowest = true};
  Llama3RopeScaling scaling;
  scaling.factor = rope.required("factor").number(positive);
  scaling.low_freq_factor = rope.required("low_freq_factor").number(positive);
  scaling.high_freq_factor = rope.required("high_freq_factor").number(positive);
  scaling.original_max_position = rope.required("original_max_position_embeddings").integer(size_range);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    rope.required("high_freq_factor").refuse(ErrorCode::out_of_range, "more than low_freq_factor");
  }
  return scaling;
}

/// rope_scaling (older spelling) or rope_parameters (newer), which may hold rope_theta too.
void parse_rope(JsonReader& reader, ModelConfig& config) {
  const NumberRange theta_range{.lowest = 0.0, .highest = 1e12, .above_lowest = true};
  config.rope_theta = reader.number_or("rope_theta", 10000.0, theta_range);
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    std::optional<JsonReader> rope = reader.optional(key);
    if (!rope) {
      continue;
    }
    config.rope_theta = rope->number_or("rope_theta", config.rope_theta, theta_range);
    const double rotary_fraction = rope->number_or("partial_rotary_factor", 1.0);
    if (rotary_fraction != 1.0) {
      rope->required("partial_rotary_factor").refuse(ErrorCode::unsupported, "1");
    }
    const char* type_key = rope->has("rope_type") ? "rope_type" : "type";
    const std::string type = rope->text_or(type_key, "default");
    if (type == "llama3") {
      config.rope_scaling = parse_llama3_scaling(*rope);
    } else if (type != "default") {
      rope->required(type_key).refuse(ErrorCode::unsupported, "default or llama3");
    }
  }
}

std::optional<std::int64_t> first_token(JsonReader& reader, const std::string& key) {
  const std::optional<JsonReader> value = reader.optional(key);
  if (!value) {
    return std::nullopt;
  }
  if (value->is_array()) {
    const std::vector<std::int64_t> tokens = value->integers(token_range);
    return tokens.empty() ? std::nullopt : std::optional(tokens.front());
  }
  return value->integer({.lowest = -1, .highest = token_range.highest});
}

/// The window that all layers share, or none. Layers that differ are refused.
std::optional<std::int64_t> parse_sliding_window(JsonReader& reader, const FamilyDefaults& defaults,
                                                 std::int64_t layers) {
  std::optional<std::int64_t> window;
  if (const std::optional<JsonReader> value = reader.optional("sliding_window")) {
    window = value->integer(size_range);
  } else if (!reader.json().contains("sliding_window")) {
    window = defaults.sliding_window;
  }
  std::int64_t sliding_layers = window ? layers : 0;
  std::string deciding_key = "sliding_window";
  if (defaults.family == Family::llama) {
    sliding_layers = 0;
  }
  if (defaults.family == Family::qwen2) {
    const bool in_use = reader.boolean_or("use_sliding_window", false);
    const std::int64_t full_layers =
        reader.integer_or("max_window_layers", 28, {.lowest = 0, .highest = 1 << 24});
    sliding_layers = in_use && window ? std::max<std::int64_t>(0, layers - full_layers) : 0;
    deciding_key = "max_window_layers";
  }
  if (const std::optional<JsonReader> types = reader.optional("layer_types")) {
    sliding_layers = 0;
    deciding_key = "layer_types";
    for (const JsonReader& type : types->items()) {
      sliding_layers += type.choice<std::int64_t>({{"full_attention", 0}, {"sliding_attention", 1}});
    }
    if (static_cast<std::int64_t>(types->json().size()) != layers) {
      types->refuse(ErrorCode::out_of_range, std::to_string(layers) + " entries, one for each layer");
    }
  }
  if (sliding_layers == 0) {
    return std::nullopt;
  }
  if (sliding_layers != layers || !window) {
    throw Error{
        .code = ErrorCode::unsupported,
        .where = reader.where() + ": " + deciding_key,
        .found = std::to_string(sliding_layers) + " of " + std::to_string(layers) + " layers with a window",
        .expected = "the same attention window in all layers",
        .remedy = "Choose a model whose layers all have the window, or none."};
  }
  return window;
}

LayerShape parse_dense_layer(JsonReader& reader, const FamilyDefaults& defaults, ModelConfig& config) {
  LayerShape shape;
  const std::int64_t heads = reader.required("num_attention_heads").integer(size_range);
  const std::optional<JsonReader> kv_heads = reader.optional("num_key_value_heads");
  const bool key_absent = !reader.json().contains("num_key_value_heads");
  shape.kv_groups = kv_heads ? kv_heads->integer({.lowest = 1, .highest = heads})
                             : (key_absent ? defaults.kv_heads.value_or(heads) : heads);
  if (heads % shape.kv_groups != 0) {
    reader.required("num_attention_heads")
        .refuse(ErrorCode::out_of_range,
                "a multiple of num_key_value_heads (" + std::to_string(shape.kv_groups) + ")");
  }
  shape.queries_per_group = heads / shape.kv_groups;
  if (!reader.has("head_dim") && config.hidden_size % heads != 0) {
    reader.required("hidden_size")
        .refuse(ErrorCode::out_of_range, "a multiple of num_attention_heads (" + std::to_string(heads) + ")");
  }
  config.head_dim = reader.integer_or("head_dim", config.hidden_size / heads, size_range);
  if (config.head_dim % 2 != 0) {
    throw Error{.code = ErrorCode::unsupported,
                .where = reader.where() + ": head_dim",
                .found = std::to_string(config.head_dim),
                .expected = "an even width (rotary pairs)",
                .remedy = "Check config.json: rotary positions turn pairs of dimensions."};
  }
  shape.qk_dim = shape.vo_dim = config.head_dim;
  shape.ffn_width = reader.required("intermediate_size").integer(size_range);
  shape.q_bias = shape.k_bias = shape.v_bias = defaults.qkv_bias;
  if (defaults.family == Family::llama) {
    const bool attention_bias = reader.boolean_or("attention_bias", false);
    shape.q_bias = shape.k_bias = shape.v_bias = shape.o_bias = attention_bias;
    shape.gate_bias = shape.up_bias = shape.down_bias = reader.boolean_or("mlp_bias", false);
  }
  return shape;
}

void check_architecture(JsonReader& reader, const FamilyDefaults& defaults, bool is_custom,
                        ModelConfig& config) {
  config.architecture = is_custom ? "CceLlamaForCausalLM" : defaults.architecture;
  if (const std::optional<JsonReader> architectures = reader.optional("architectures")) {
    const std::vector<std::string> names = architectures->texts();
    if (names.size() != 1 || names.front() != config.architecture) {
      const std::string found = names.empty() ? "none" : join_names(names);
      throw Error{.code = ErrorCode::unsupported,
                  .where = architectures->where(),
                  .found = found,
                  .expected = config.architecture,
                  .remedy = "Only causal language models of this family can be compressed"};
    }
  }
  if (!is_custom && reader.has("auto_map")) {
    reader.required("auto_map")
        .refuse(ErrorCode::unsupported, "no modelling code beside the checkpoint",
                "Remove auto_map if the weights are those of " + defaults.architecture);
  }
}

}  // namespace

ModelConfig parse_model_config(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  const JsonReader model_type = reader.required("model_type");
  const bool is_custom = model_type.text() == "cce_llama";
  std::optional<JsonReader> section;
  if (is_custom) {
    section = reader.required("cce");
  }
  const JsonReader base_type = is_custom ? section->required("base_model_type") : model_type;
  const FamilyDefaults defaults = defaults_of(base_type.text(), base_type);

  ModelConfig config;
  config.family = defaults.family;
  check_architecture(reader, defaults, is_custom, config);
  refuse_other_computation(reader);
  config.hidden_size = reader.required("hidden_size").integer(size_range);
  config.vocabulary_size = reader.required("vocab_size").integer(size_range);
  config.max_positions = reader.integer_or("max_position_embeddings", defaults.max_positions, size_range);
  config.rms_epsilon =
      reader.number_or("rms_norm_eps", 1e-6, {.lowest = 0.0, .highest = 1.0, .above_lowest = true});
  config.tied_embeddings = reader.boolean_or("tie_word_embeddings", false);
  config.bos_token = first_token(reader, "bos_token_id");
  config.eos_token = first_token(reader, "eos_token_id");
  parse_rope(reader, config);
  const std::int64_t layers = reader.required("num_hidden_layers").integer({.lowest = 1, .highest = 4096});
  const LayerShape dense = parse_dense_layer(reader, defaults, config);
  config.sliding_window = parse_sliding_window(reader, defaults, layers);
  config.layers.assign(static_cast<std::size_t>(layers), dense);
  if (is_custom) {
    parse_cce_layers(*section, config);
  }
  return config;
}

}  // namespace cce
