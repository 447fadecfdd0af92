#include "common/base/json_reader.h"
#include "common/model/attention_window.h"
#include "common/model/checkpoint/quantization.h"
#include "common/model/families/family.h"
#include "common/model/formats/format.h"
#include "common/model/model_config.h"
#include "common/model/rope_keys.h"

namespace cce {
namespace {

constexpr IntegerRange size_range{.lowest = 1, .highest = 1 << 24};
constexpr IntegerRange token_range{.lowest = 0, .highest = 1 << 24};

const Family& family_of(const JsonReader& model_type) {
  if (const Family* family = find_family(model_type.text())) {
    return *family;
  }
  std::vector<std::string> known = family_names();
  for (const ExportFormat format : export_formats()) {
    if (const ModelClass* own = rules_of(format).own_class) {
      known.emplace_back(own->model_type);
    }
  }
  model_type.refuse(ErrorCode::unsupported, "one of " + join_names(known),
                    "This version compresses checkpoints of these families only");
}

/// Keys by which the classes of all families would compute something else than is computed here. A key that no
/// class reads is left over from another program and changes nothing.
void refuse_other_computation(JsonReader& config, const Family& family) {
  for (const FixedKey& fixed : family.fixed_keys) {
    const std::optional<JsonReader> value = config.optional(fixed.key);
    if (value && value->json() != Json::parse(fixed.value)) {
      value->refuse(ErrorCode::unsupported, fixed.value, "No checkpoint with this setting can be read");
    }
  }
  for (const auto& [key, neutral] : {std::pair{"is_causal", true}, std::pair{"is_encoder_decoder", false}}) {
    if (config.boolean_or(key, neutral) != neutral) {
      config.required(key).refuse(ErrorCode::unsupported, neutral ? "true" : "false",
                                  "No checkpoint with this setting can be read");
    }
  }
  if (config.has("per_layer_config")) {
    config.required("per_layer_config")
        .refuse(ErrorCode::unsupported, "one configuration for all layers",
                "No checkpoint with this setting can be read");
  }
}

Activation read_activation(JsonReader& config, const Family& family) {
  const std::optional<JsonReader> value = config.optional(family.activation_key);
  if (!value) {
    return family.activation;
  }
  const std::string name = value->text();
  if (name == "silu" || name == "swish") {
    return Activation::silu;
  }
  if (name == "gelu_pytorch_tanh") {
    return Activation::gelu_tanh;
  }
  value->refuse(ErrorCode::unsupported, "silu or gelu_pytorch_tanh",
                "No checkpoint with this activation can be read");
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

LayerShape parse_dense_layer(JsonReader& reader, ModelConfig& config) {
  const Family& family = *config.family;
  LayerShape shape;
  const std::int64_t heads = reader.required("num_attention_heads").integer(size_range);
  const std::optional<JsonReader> kv_heads = reader.optional("num_key_value_heads");
  const bool key_absent = !reader.json().contains("num_key_value_heads");
  shape.kv_groups = kv_heads ? kv_heads->integer({.lowest = 1, .highest = heads})
                             : (key_absent ? family.kv_heads.value_or(heads) : heads);
  if (heads % shape.kv_groups != 0) {
    reader.required("num_attention_heads")
        .refuse(ErrorCode::out_of_range,
                "a multiple of num_key_value_heads (" + std::to_string(shape.kv_groups) + ")");
  }
  shape.queries_per_group = heads / shape.kv_groups;
  if (!reader.has("head_dim") && !family.head_dim && config.hidden_size % heads != 0) {
    reader.required("hidden_size")
        .refuse(ErrorCode::out_of_range, "a multiple of num_attention_heads (" + std::to_string(heads) + ")");
  }
  config.head_dim =
      reader.integer_or("head_dim", family.head_dim.value_or(config.hidden_size / heads), size_range);
  if (config.head_dim % 2 != 0) {
    throw Error{.code = ErrorCode::unsupported,
                .where = reader.where() + ": head_dim",
                .found = std::to_string(config.head_dim),
                .expected = "an even width (rotary pairs)",
                .remedy = "Check config.json: rotary positions turn pairs of dimensions."};
  }
  shape.qk_dim = shape.vo_dim = config.head_dim;
  shape.ffn_width = reader.required("intermediate_size").integer(size_range);
  shape.attention_norm = shape.ffn_norm = family.norms != NormPlacement::after;
  shape.attention_output_norm = shape.ffn_output_norm = family.norms != NormPlacement::before;
  shape.norms_span_heads = family.norms_span_heads;
  read_optional_parts(family, reader, shape);
  return shape;
}

/// What each layer sees, and the rotary settings that its heads turn by.
void read_positions(JsonReader& reader, const ModelClass* own, std::int64_t layers, ModelConfig& config) {
  const Family& family = *config.family;
  read_ropes(reader, own != nullptr ? own->rope : RopeReader::family, family.ropes, config);
  const AttentionWindows windows =
      read_attention_windows(reader, own != nullptr ? own->windows : family.windows, layers);
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    config.layers[layer].window = windows.of(layer);
    config.layers[layer].rope = windows.is_sliding[layer] && config.ropes.size() > 1 ? 1 : 0;
  }
}

/// `own`: the class of a format, nullptr for a family's plain class.
void check_architecture(JsonReader& reader, const ModelClass* own, ModelConfig& config) {
  config.architecture = own != nullptr ? own->class_name : config.family->class_name;
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
  if (own == nullptr && reader.has("auto_map")) {
    reader.required("auto_map")
        .refuse(ErrorCode::unsupported, "no modelling code beside the checkpoint",
                "Remove auto_map if the weights are those of " + config.architecture);
  }
}

}  // namespace

ModelConfig parse_model_config(const std::string& json_text, const std::string& where) {
  const Json document = parse_json(json_text, where);
  JsonReader reader(document, where);
  const JsonReader model_type = reader.required("model_type");
  const ModelClass* own = find_own_class(model_type.text());
  std::optional<JsonReader> section;
  if (own != nullptr) {
    section = reader.required(own->section);
  }
  const JsonReader base_type = own != nullptr ? section->required("base_model_type") : model_type;

  ModelConfig config;
  config.family = &family_of(base_type);
  check_architecture(reader, own, config);
  refuse_other_computation(reader, *config.family);
  read_quantization(reader);
  config.hidden_size = reader.required("hidden_size").integer(size_range);
  config.vocabulary_size = reader.required("vocab_size").integer(size_range);
  config.max_positions =
      reader.integer_or("max_position_embeddings", config.family->max_positions, size_range);
  config.rms_epsilon = reader.number_or("rms_norm_eps", config.family->rms_epsilon,
                                        {.lowest = 0.0, .highest = 1.0, .above_lowest = true});
  config.tied_embeddings =
      reader.boolean_or("tie_word_embeddings", own == nullptr && config.family->tied_embeddings);
  config.activation = read_activation(reader, *config.family);
  config.bos_token = first_token(reader, "bos_token_id");
  config.eos_token = first_token(reader, "eos_token_id");
  const std::int64_t layers = reader.required("num_hidden_layers").integer({.lowest = 1, .highest = 4096});
  config.layers.assign(static_cast<std::size_t>(layers), parse_dense_layer(reader, config));
  read_positions(reader, own, layers, config);
  if (config.family->read_more != nullptr) {
    config.family->read_more(reader, config);
  }
  if (own != nullptr) {
    own->read_layers(*section, config);
  }
  return config;
}

}  // namespace cce
