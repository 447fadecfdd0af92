#include <array>

#include "common/model/families/part_groups.h"

namespace cce {
namespace {

constexpr std::int64_t default_interval = 4;
constexpr const char* layers_key = "no_rope_layers";
constexpr const char* interval_key = "no_rope_layer_interval";

/// An entry of 0 says that a layer's heads are not turned; without the list, every so-manyth layer's are not.
void read_unturned_layers(JsonReader& config, ModelConfig& model) {
  const auto layers = static_cast<std::int64_t>(model.layers.size());
  const std::int64_t interval =
      config.integer_or(interval_key, default_interval, {.lowest = 1, .highest = 1 << 24});
  std::vector<std::int64_t> turned;
  if (const std::optional<JsonReader> list = config.optional(layers_key)) {
    turned = list->integers({.lowest = 0, .highest = 1});
    if (static_cast<std::int64_t>(turned.size()) < layers) {
      list->refuse(ErrorCode::out_of_range, std::to_string(layers) + " entries, one for each layer");
    }
  } else {
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      turned.push_back((layer + 1) % interval != 0 ? 1 : 0);
    }
  }
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    model.layers[layer].rope = turned[layer] != 0 ? 0 : LayerShape::no_rope;
  }
}

void write_unturned_layers(const ModelConfig& model, OrderedJson& config) {
  OrderedJson turned = OrderedJson::array();
  for (const LayerShape& layer : model.layers) {
    turned.push_back(layer.rope == LayerShape::no_rope ? 0 : 1);
  }
  config[layers_key] = turned;
}

}  // namespace

/// SmolLM3ForCausalLM: Llama whose every fourth layer knows no positions (NoPE, arXiv 2305.19466).
const Family& smollm3() {
  static constexpr std::array fixed_keys = {FixedKey{"use_sliding_window", "false"}};
  static constexpr Family family{.model_type = "smollm3",
                                 .class_name = "SmolLM3ForCausalLM",
                                 .max_positions = 32768,
                                 .kv_heads = 4,
                                 .tied_embeddings = true,
                                 .ropes = {.theta = 2000000.0},
                                 .optional_parts = biases_by_key,
                                 .fixed_keys = fixed_keys,
                                 .read_more = read_unturned_layers,
                                 .write_more = write_unturned_layers};
  return family;
}

}  // namespace cce
