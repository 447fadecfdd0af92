#include <algorithm>
#include <array>
#include <utility>

#include "common/model/families/family.h"
#include "common/model/formats/format.h"
#include "common/model/layer_parts.h"

namespace cce {
namespace {

// The "cce" section of config.json (schema_version 1):
//   {"schema_version": 1, "base_model_type": "llama", "layers": [{"attention": true, "kv_groups": g,
//    "queries_per_group": r, "qk_dim": .., "vo_dim": .., "rope_pairs": [g × qk_dim / 2, group by group;
//    empty: all], "ffn": width or 0, "biases": ["q", "k", "v", "o", "gate", "up", "down"],
//    "norms": ["q", "k"], left out where there are none, "window": size or null, "rope": index or null,
//    these two left out where all layers are alike}],
//  "ropes": [rotary settings that layers name by index], left out where all have config.json's,
//  "computation": {what else the layers compute that Llama's do not: see computation_of}}

/// "q", "down", ...: a part's name without what `kind` adds to it.
std::string short_name(const LayerPart& part) {
  return std::string(part.name.substr(0, part.name.rfind('_')));
}

std::vector<std::pair<std::string, bool LayerShape::*>> optional_parts(PartKind kind) {
  std::vector<std::pair<std::string, bool LayerShape::*>> flags;
  for (const LayerPart& part : layer_parts()) {
    if (part.kind == kind && part.is_there != nullptr && !part.is_of_family) {
      flags.emplace_back(short_name(part), part.is_there);
    }
  }
  return flags;
}

OrderedJson names_of_parts(const LayerShape& shape, PartKind kind) {
  OrderedJson names = OrderedJson::array();
  for (const auto& [name, is_there] : optional_parts(kind)) {
    if (shape.*is_there) {
      names.push_back(name);
    }
  }
  return names;
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

void parse_positions(JsonReader& reader, std::size_t ropes, LayerShape& shape) {
  const auto given = [&reader](const char* key) { return reader.json().contains(key); };
  if (given("window")) {
    const std::optional<JsonReader> window = reader.optional("window");
    shape.window = window ? std::optional(window->integer({.lowest = 1, .highest = 1 << 24})) : std::nullopt;
  }
  if (given("rope")) {
    const std::optional<JsonReader> rope = reader.optional("rope");
    const IntegerRange range{.lowest = 0, .highest = static_cast<std::int64_t>(ropes) - 1};
    shape.rope = rope ? static_cast<std::int32_t>(rope->integer(range)) : LayerShape::no_rope;
  }
}

LayerShape parse_layer(JsonReader reader, const LayerShape& dense, std::size_t ropes) {
  LayerShape shape = dense;
  for (const PartKind kind : {PartKind::bias, PartKind::gain}) {
    for (const auto& [name, is_there] : optional_parts(kind)) {
      shape.*is_there = false;
    }
  }
  parse_positions(reader, ropes, shape);
  if (!reader.required("attention").boolean()) {
    remove_sub_block(shape, SubBlock::attention);
  }
  shape.ffn_width = reader.required("ffn").integer({.lowest = 0, .highest = dense.ffn_width});
  if (shape.ffn_width == 0) {
    remove_sub_block(shape, SubBlock::ffn);
  }
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
  for (const JsonReader& item : reader.required("biases").items()) {
    shape.*item.choice(optional_parts(PartKind::bias)) = true;
  }
  if (const std::optional<JsonReader> norms = reader.optional("norms")) {
    for (const JsonReader& item : norms->items()) {
      shape.*item.choice(optional_parts(PartKind::gain)) = true;
    }
  }
  if (shape.has_attention && shape.keeps_qk_whole() && shape.qk_dim != dense.qk_dim) {
    reader.required("qk_dim").refuse(
        ErrorCode::out_of_range, std::to_string(dense.qk_dim) + ", the whole width, where heads are normed");
  }
  reader.refuse_unknown_keys();
  return shape;
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
  if (const std::optional<JsonReader> ropes = section.optional("ropes")) {
    config.ropes.clear();
    for (const JsonReader& rope : ropes->items()) {
      config.ropes.push_back(read_rope_section(rope, config));
    }
    if (config.ropes.empty()) {
      ropes->refuse(ErrorCode::out_of_range, "at least one");
    }
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    config.layers[i] = parse_layer(layers[i], config.layers[i], config.ropes.size());
  }
  section.has("base_model_type");
  section.has("computation");  // follows from the family and the other keys
  section.refuse_unknown_keys();
}

/// What modeling_cce.py has to know of the family, by what it computes; nothing where that is what Llama does.
OrderedJson computation_of(const ModelConfig& config) {
  OrderedJson computation = OrderedJson::object();
  const Family& family = *config.family;
  if (config.activation == Activation::gelu_tanh) {
    computation["activation"] = "gelu_tanh";
  }
  if (family.norms != NormPlacement::before) {
    computation["norms"] = family.norms == NormPlacement::after ? "after" : "both";
  }
  if (family.norms_span_heads) {
    computation["norms_span_heads"] = true;
  }
  if (family.gain_offset != 0.0) {
    computation["gain_offset"] = family.gain_offset;
  }
  if (config.embedding_scale != 1.0) {
    computation["embedding_scale"] = config.embedding_scale;
  }
  if (config.score_scale) {
    computation["score_scale"] = *config.score_scale;
  }
  if (config.residual_scale != 1.0) {
    computation["residual_scale"] = config.residual_scale;
  }
  if (config.logits_divisor != 1.0) {
    computation["logits_divisor"] = config.logits_divisor;
  }
  return computation;
}

OrderedJson index_or_null(std::int32_t rope) {
  return rope == LayerShape::no_rope ? OrderedJson(nullptr) : OrderedJson(rope);
}

OrderedJson cce_section(const ModelConfig& config) {
  const bool windows_differ = !windows_are_shared(config.layers);
  const bool ropes_differ = std::any_of(config.layers.begin(), config.layers.end(),
                                        [](const LayerShape& layer) { return layer.rope != 0; });
  OrderedJson layers = OrderedJson::array();
  for (const LayerShape& shape : config.layers) {
    OrderedJson layer = {{"attention", shape.has_attention}};
    if (shape.has_attention) {
      layer["kv_groups"] = shape.kv_groups;
      layer["queries_per_group"] = shape.queries_per_group;
      layer["qk_dim"] = shape.qk_dim;
      layer["vo_dim"] = shape.vo_dim;
      layer["rope_pairs"] = shape.rope_pairs;
      if (windows_differ) {
        layer["window"] = shape.window ? OrderedJson(*shape.window) : OrderedJson(nullptr);
      }
      if (ropes_differ) {
        layer["rope"] = index_or_null(shape.rope);
      }
    }
    layer["ffn"] = shape.has_ffn ? shape.ffn_width : 0;
    layer["biases"] = names_of_parts(shape, PartKind::bias);
    if (const OrderedJson norms = names_of_parts(shape, PartKind::gain); !norms.empty()) {
      layer["norms"] = norms;
    }
    layers.push_back(layer);
  }
  OrderedJson section = {
      {"schema_version", 1}, {"base_model_type", config.family->model_type}, {"layers", layers}};
  if (config.ropes.size() > 1) {
    for (const RopeSettings& rope : config.ropes) {
      section["ropes"].push_back(rope_section(rope));
    }
  }
  if (const OrderedJson computation = computation_of(config); !computation.empty()) {
    section["computation"] = computation;
  }
  return section;
}

constexpr ModelClass own_class{.model_type = "cce_llama",
                               .class_name = "CceLlamaForCausalLM",
                               .section = "cce",
                               .read_layers = parse_cce_layers,
                               .rope = RopeReader::modeling_file,
                               .windows = {WindowKeys::modeling_file}};

/// What the original's class assumes where its config.json is silent and the modelling file would not.
void write_assumptions(const ModelConfig& config, OrderedJson& document) {
  if (config.family->rms_epsilon != Family{}.rms_epsilon && !document.contains("rms_norm_eps")) {
    document["rms_norm_eps"] = config.rms_epsilon;
  }
  if (config.ropes.front().scaling && !document.contains("max_position_embeddings")) {
    document["max_position_embeddings"] = config.max_positions;
  }
}

/// Sizes stay those of the dense model; the section says what each layer has.
void write_config(const ModelConfig& config, OrderedJson& document) {
  if (find_own_class(document.value("model_type", "")) == nullptr) {
    write_ropes(document, RopeReader::family, own_class.rope, config.family->ropes, config);
    write_assumptions(config, document);
  }
  write_attention_windows(document, own_class.windows, config.layers);
  document["architectures"] = {own_class.class_name};
  document["model_type"] = own_class.model_type;
  document["auto_map"] = {{"AutoConfig", "modeling_cce.CceLlamaConfig"},
                          {"AutoModelForCausalLM", "modeling_cce.CceLlamaForCausalLM"}};
  document["head_dim"] = config.head_dim;
  document[own_class.section] = cce_section(config);
}

}  // namespace

/// A checkpoint with the modelling file that reads it: every layer has shapes of its own.
const FormatRules& custom_rules() {
  static constexpr std::array structures = {Structure::ffn,       Structure::vo,     Structure::qk,
                                            Structure::kv_groups, Structure::blocks, Structure::layers};
  static constexpr std::array automatic = {Structure::ffn, Structure::vo, Structure::qk};
  static constexpr FormatRules rules{
      .name = "custom",
      .structures = structures,
      .automatic_structures = automatic,
      .adds_output_biases = true,
      .own_class = &own_class,
      .check = [](const ModelConfig&) {},
      .write_config = write_config,
      .loading_advice =
          "The folder brings its own modelling code, so loading needs consent:\n\n```python\nfrom "
          "transformers import AutoModelForCausalLM\nmodel = "
          "AutoModelForCausalLM.from_pretrained(\"PATH\", trust_remote_code=True)\n```\n"};
  return rules;
}

}  // namespace cce
