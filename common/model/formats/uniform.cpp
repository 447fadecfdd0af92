#include <array>

#include "common/base/error.h"
#include "common/model/families/family.h"
#include "common/model/formats/format.h"

namespace cce {
namespace {

[[noreturn]] void refuse_layer(std::size_t layer, const std::string& found, const std::string& expected) {
  throw Error{.code = ErrorCode::impossible_combination,
              .where = "layer " + std::to_string(layer) + ", export.format=uniform",
              .found = found,
              .expected = expected,
              .remedy = "Choose export.format=" + formats_of_differing_layers()};
}

bool is_empty(const LayerShape& layer) {
  return !layer.has_attention && !layer.has_ffn;
}

void check_layer(const ModelConfig& config, std::size_t index, const LayerShape& first) {
  const LayerShape& layer = config.layers[index];
  if (!layer.has_attention || !layer.has_ffn) {
    refuse_layer(index, layer.has_ffn ? "no attention" : "no FFN", "both, or a whole layer dropped");
  }
  if (layer.qk_dim != config.head_dim || layer.vo_dim != config.head_dim || !layer.rope_pairs.empty()) {
    refuse_layer(index,
                 "qk and vo widths " + std::to_string(layer.qk_dim) + " and " + std::to_string(layer.vo_dim),
                 std::to_string(config.head_dim));
  }
  if (const std::optional<MisplacedParts> parts = find_misplaced_parts(*config.family, layer)) {
    refuse_layer(index, parts->found, parts->expected);
  }
  if (layer != first) {
    refuse_layer(index, "shapes that differ from an earlier layer's", "the same shapes in all layers");
  }
}

/// Layers that differ, head widths other than head_dim and parts that the class has no place for are refused.
/// Layers without any block are allowed: they are left out.
void check(const ModelConfig& config) {
  const LayerShape* first = nullptr;
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (!is_empty(config.layers[i])) {
      first = first == nullptr ? &config.layers[i] : first;
      check_layer(config, i, *first);
    }
  }
  if (first == nullptr) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "export.format=uniform",
                .found = "no layer left",
                .expected = "at least one",
                .remedy = "Choose a smaller target"};
  }
}

/// Lists with an entry for each layer keep those of the layers that stay.
void keep_layer_entries(OrderedJson& document, std::size_t layers,
                        const std::vector<std::int64_t>& kept_layers) {
  if (!document.contains("layer_types") || !document["layer_types"].is_array() ||
      document["layer_types"].size() != layers) {
    return;
  }
  OrderedJson kept = OrderedJson::array();
  for (const std::int64_t layer : kept_layers) {
    kept.push_back(document["layer_types"].at(static_cast<std::size_t>(layer)));
  }
  document["layer_types"] = kept;
}

void write_config(const ModelConfig& config, OrderedJson& document) {
  std::vector<std::int64_t> kept_layers;
  const ModelConfig plain = drop_empty_layers(config, &kept_layers);
  const LayerShape& shape = plain.layers.front();
  leave_own_class(config, document);
  document["architectures"] = {config.family->class_name};
  document["model_type"] = config.family->model_type;
  document["num_hidden_layers"] = plain.layers.size();
  document["num_attention_heads"] = shape.query_heads();
  document["num_key_value_heads"] = shape.kv_groups;
  document["head_dim"] = plain.head_dim;
  document["intermediate_size"] = shape.ffn_width;
  write_optional_parts(*config.family, shape, document);
  keep_layer_entries(document, config.layers.size(), kept_layers);
  write_attention_window(document, config.family->windows, config.sliding_window,
                         static_cast<std::int64_t>(plain.layers.size()));
}

}  // namespace

/// A plain checkpoint of the family's own class: one width for all layers.
const FormatRules& uniform_rules() {
  static constexpr std::array structures = {Structure::ffn, Structure::kv_groups, Structure::layers};
  static constexpr std::array automatic = {Structure::ffn};
  static constexpr FormatRules rules{
      .name = "uniform",
      .structures = structures,
      .automatic_structures = automatic,
      .widths_are_shared = true,
      .drops_empty_layers = true,
      .adds_output_biases = false,
      .own_class = nullptr,
      .check = check,
      .write_config = write_config,
      .loading_advice =
          "A plain checkpoint; nothing of this project is needed to load it:\n\n```python\nfrom "
          "transformers import AutoModelForCausalLM\nmodel = "
          "AutoModelForCausalLM.from_pretrained(\"PATH\")\n```\n"};
  return rules;
}

}  // namespace cce
