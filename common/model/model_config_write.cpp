#include "common/model/model_config_write.h"

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/format_rules.h"
#include "common/model/model_config_cce.h"

namespace cce {
namespace {

std::string torch_name(const std::string& dtype) {
  if (dtype == "bf16") {
    return "bfloat16";
  }
  if (dtype == "f16") {
    return "float16";
  }
  if (dtype == "f32") {
    return "float32";
  }
  throw Error{.code = ErrorCode::out_of_range,
              .where = "export.dtype",
              .found = dtype,
              .expected = "bf16, f16 or f32",
              .remedy = "Set export.dtype to one of these."};
}

/// Lists with an entry for each layer keep those of the layers that stay.
void keep_layer_entries(OrderedJson& document, const std::vector<std::int64_t>& kept_layers) {
  if (!document.contains("layer_types") || !document["layer_types"].is_array()) {
    return;
  }
  OrderedJson kept = OrderedJson::array();
  for (const std::int64_t layer : kept_layers) {
    kept.push_back(document["layer_types"].at(static_cast<std::size_t>(layer)));
  }
  document["layer_types"] = kept;
}

void write_plain(const ModelConfig& config, OrderedJson& document) {
  std::vector<std::int64_t> kept_layers;
  const ModelConfig plain = drop_empty_layers(config, &kept_layers);
  const LayerShape& shape = plain.layers.front();
  const bool was_custom = document.value("model_type", "") == "cce_llama";
  if (was_custom) {
    document.erase("cce");
    document.erase("auto_map");
  }
  document["architectures"] = {config.family == Family::llama     ? "LlamaForCausalLM"
                               : config.family == Family::mistral ? "MistralForCausalLM"
                                                                  : "Qwen2ForCausalLM"};
  document["model_type"] = family_model_type(config.family);
  document["num_hidden_layers"] = plain.layers.size();
  document["num_attention_heads"] = shape.query_heads();
  document["num_key_value_heads"] = shape.kv_groups;
  document["head_dim"] = plain.head_dim;
  document["intermediate_size"] = shape.ffn_width;
  if (config.family == Family::llama) {
    document["attention_bias"] = shape.o_bias;
    document["mlp_bias"] = shape.down_bias;
  }
  keep_layer_entries(document, kept_layers);
}

void write_custom(const ModelConfig& config, OrderedJson& document) {
  document["architectures"] = {"CceLlamaForCausalLM"};
  document["model_type"] = "cce_llama";
  document["auto_map"] = {{"AutoConfig", "modeling_cce.CceLlamaConfig"},
                          {"AutoModelForCausalLM", "modeling_cce.CceLlamaForCausalLM"}};
  document["head_dim"] = config.head_dim;
  document["cce"] = cce_section(config);
}

}  // namespace

ModelConfig drop_empty_layers(const ModelConfig& config, std::vector<std::int64_t>* kept_layers) {
  ModelConfig plain = config;
  plain.layers.clear();
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (config.layers[i].has_attention || config.layers[i].has_ffn) {
      plain.layers.push_back(config.layers[i]);
      if (kept_layers != nullptr) {
        kept_layers->push_back(static_cast<std::int64_t>(i));
      }
    }
  }
  return plain;
}

std::string to_config_json(const ModelConfig& config, ExportFormat format,
                           const std::string& original_config_json, const std::string& dtype) {
  check_representable(config, format);
  parse_json(original_config_json,
             "config.json");  // strictness first: the ordered parser accepts duplicate keys
  OrderedJson document = OrderedJson::parse(original_config_json);
  if (format == ExportFormat::custom) {
    write_custom(config, document);
  } else {
    write_plain(config, document);
  }
  document.erase("_name_or_path");
  const bool newer_spelling = document.contains("dtype");
  document[newer_spelling ? "dtype" : "torch_dtype"] = torch_name(dtype);
  if (newer_spelling) {
    document.erase("torch_dtype");
  }
  return pretty_json(document);
}

}  // namespace cce
