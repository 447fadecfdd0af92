#include "common/model/model_config_cce.h"

#include <utility>

namespace cce {
namespace {

using BiasField = bool LayerShape::*;
const std::vector<std::pair<std::string, BiasField>>& bias_fields() {
  static const std::vector<std::pair<std::string, BiasField>> fields = {
      {"q", &LayerShape::q_bias},      {"k", &LayerShape::k_bias},       {"v", &LayerShape::v_bias},
      {"o", &LayerShape::o_bias},      {"gate", &LayerShape::gate_bias}, {"up", &LayerShape::up_bias},
      {"down", &LayerShape::down_bias}};
  return fields;
}

void parse_rope_pairs(const JsonReader& list, const LayerShape& dense, LayerShape& shape) {
  const std::int64_t pairs_per_group = shape.qk_dim / 2;
  const std::int64_t dense_pairs = dense.qk_dim / 2;
  for (const JsonReader& item : list.items()) {
    const std::int64_t pair = item.integer({.lowest = 0, .highest = dense_pairs - 1});
    const bool starts_group = static_cast<std::int64_t>(shape.rope_pairs.size()) % pairs_per_group == 0;
    if (!starts_group && pair <= shape.rope_pairs.back()) {
      item.refuse(ErrorCode::out_of_range, "pairs in ascending order within a group");
    }
    shape.rope_pairs.push_back(static_cast<std::int32_t>(pair));
  }
  const std::int64_t found = static_cast<std::int64_t>(shape.rope_pairs.size());
  const std::int64_t expected = shape.kv_groups * pairs_per_group;
  if (found != expected && !(found == 0 && shape.qk_dim == dense.qk_dim)) {
    list.refuse(ErrorCode::out_of_range, std::to_string(expected) + " entries, kv_groups × qk_dim / 2");
  }
}

LayerShape parse_layer(JsonReader reader, const LayerShape& dense) {
  LayerShape shape;
  shape.has_attention = reader.required("attention").boolean();
  shape.ffn_width = reader.required("ffn").integer({.lowest = 0, .highest = dense.ffn_width});
  shape.has_ffn = shape.ffn_width > 0;
  if (shape.has_attention) {
    shape.kv_groups = reader.required("kv_groups").integer({.lowest = 1, .highest = dense.kv_groups});
    shape.queries_per_group =
        reader.required("queries_per_group")
            .integer({.lowest = dense.queries_per_group, .highest = dense.queries_per_group});
    const JsonReader qk_dim = reader.required("qk_dim");
    shape.qk_dim = qk_dim.integer({.lowest = 2, .highest = dense.qk_dim});
    if (shape.qk_dim % 2 != 0) {
      qk_dim.refuse(ErrorCode::out_of_range, "an even width (rotary pairs)");
    }
    shape.vo_dim = reader.required("vo_dim").integer({.lowest = 1, .highest = dense.vo_dim});
    parse_rope_pairs(reader.required("rope_pairs"), dense, shape);
  } else {
    for (const char* key : {"kv_groups", "queries_per_group", "qk_dim", "vo_dim", "rope_pairs"}) {
      reader.has(key);
    }
  }
  std::vector<std::pair<std::string, BiasField>> choices = bias_fields();
  for (const JsonReader& item : reader.required("biases").items()) {
    shape.*item.choice(choices) = true;
  }
  reader.refuse_unknown_keys();
  return shape;
}

}  // namespace

std::string family_model_type(Family family) {
  switch (family) {
    case Family::llama:
      return "llama";
    case Family::mistral:
      return "mistral";
    case Family::qwen2:
      return "qwen2";
  }
  return "llama";
}

void parse_cce_layers(JsonReader& section, ModelConfig& config) {
  const JsonReader version = section.required("schema_version");
  if (version.integer() != 1) {
    version.refuse(ErrorCode::unsupported, "1", "Read this checkpoint with the version that wrote it");
  }
  const JsonReader list = section.required("layers");
  const std::vector<JsonReader> layers = list.items();
  if (layers.size() != config.layers.size()) {
    list.refuse(ErrorCode::out_of_range,
                "num_hidden_layers = " + std::to_string(config.layers.size()) + " entries");
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    config.layers[i] = parse_layer(layers[i], config.layers[i]);
  }
  section.has("base_model_type");
  section.refuse_unknown_keys();
}

OrderedJson cce_section(const ModelConfig& config) {
  OrderedJson layers = OrderedJson::array();
  for (const LayerShape& shape : config.layers) {
    OrderedJson biases = OrderedJson::array();
    for (const auto& [name, field] : bias_fields()) {
      if (shape.*field) {
        biases.push_back(name);
      }
    }
    OrderedJson layer = {{"attention", shape.has_attention}};
    if (shape.has_attention) {
      layer["kv_groups"] = shape.kv_groups;
      layer["queries_per_group"] = shape.queries_per_group;
      layer["qk_dim"] = shape.qk_dim;
      layer["vo_dim"] = shape.vo_dim;
      layer["rope_pairs"] = shape.rope_pairs;
    }
    layer["ffn"] = shape.has_ffn ? shape.ffn_width : 0;
    layer["biases"] = biases;
    layers.push_back(layer);
  }
  return {{"schema_version", 1}, {"base_model_type", family_model_type(config.family)}, {"layers", layers}};
}

}  // namespace cce
