#include "common/model/formats/shared_shapes.h"

#include <array>

#include "common/base/error.h"
#include "common/model/families/family.h"
#include "common/model/formats/format.h"
#include "common/recipe/job_spec_names.h"

namespace cce {
namespace {

[[noreturn]] void refuse_layer(std::string_view format, std::size_t layer, const std::string& found,
                               const std::string& expected) {
  throw Error{.code = ErrorCode::impossible_combination,
              .where = "layer " + std::to_string(layer) + ", export.format=" + std::string(format),
              .found = found,
              .expected = expected,
              .remedy = "Choose export.format=" + formats_of_differing_layers()};
}

bool is_empty(const LayerShape& layer) {
  return !layer.has_attention && !layer.has_ffn;
}

/// What a layer sees and how it turns its heads may differ in every class that says so by layer.
LayerShape without_positions(LayerShape layer) {
  layer.window.reset();
  layer.rope = 0;
  return layer;
}

void check_layer(const ModelConfig& config, std::size_t index, const LayerShape& first,
                 std::string_view format) {
  const LayerShape& layer = config.layers[index];
  if (!layer.has_attention || !layer.has_ffn) {
    refuse_layer(format, index, layer.has_ffn ? "no attention" : "no FFN", "both, or a whole layer dropped");
  }
  if (layer.qk_dim != config.head_dim || layer.vo_dim != config.head_dim || !layer.rope_pairs.empty()) {
    refuse_layer(format, index,
                 "qk and vo widths " + std::to_string(layer.qk_dim) + " and " + std::to_string(layer.vo_dim),
                 std::to_string(config.head_dim));
  }
  if (const std::optional<MisplacedParts> parts = find_misplaced_parts(*config.family, layer)) {
    refuse_layer(format, index, parts->found, parts->expected);
  }
  if (without_positions(layer) != without_positions(first)) {
    refuse_layer(format, index, "shapes that differ from an earlier layer's",
                 "the same shapes in all layers");
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

}  // namespace

FormatRules shared_shape_rules() {
  static constexpr std::array structures = {Structure::ffn, Structure::kv_groups, Structure::layers};
  static constexpr std::array automatic = {Structure::ffn};
  FormatRules rules;
  rules.structures = structures;
  rules.automatic_structures = automatic;
  rules.widths_are_shared = true;
  rules.drops_empty_layers = true;
  rules.write_config = write_plain_config;
  return rules;
}

std::string choose_plain_format() {
  return "Choose export.format=" + std::string(format_name(export_formats().front()));
}

void check_shared_shapes(const ModelConfig& config, std::string_view format) {
  const LayerShape* first = nullptr;
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    if (!is_empty(config.layers[i])) {
      first = first == nullptr ? &config.layers[i] : first;
      check_layer(config, i, *first, format);
    }
  }
  if (first == nullptr) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "export.format=" + std::string(format),
                .found = "no layer left",
                .expected = "at least one",
                .remedy = "Choose a smaller target"};
  }
}

void write_plain_config(const ModelConfig& config, OrderedJson& document) {
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
  write_attention_windows(document, config.family->windows, plain.layers);
  if (config.family->write_more != nullptr) {
    config.family->write_more(plain, document);
  }
}

}  // namespace cce
