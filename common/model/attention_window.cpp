#include "common/model/attention_window.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "common/model/formats/format.h"

namespace cce {
namespace {

constexpr IntegerRange size_range{.lowest = 1, .highest = 1 << 24};
constexpr std::int64_t default_window = 4096;           // of Mistral and Qwen2
constexpr std::int64_t default_max_window_layers = 28;  // of Qwen2
constexpr const char* full = "full_attention";
constexpr const char* sliding = "sliding_attention";

std::optional<std::int64_t> window_size(JsonReader& config, std::optional<std::int64_t> where_absent) {
  if (const std::optional<JsonReader> value = config.optional("sliding_window")) {
    return value->integer(size_range);
  }
  return config.json().contains("sliding_window") ? std::nullopt : where_absent;
}

std::vector<bool> sliding_by_types(const JsonReader& types, std::int64_t layers) {
  if (static_cast<std::int64_t>(types.items().size()) != layers) {
    types.refuse(ErrorCode::out_of_range, std::to_string(layers) + " entries, one for each layer");
  }
  std::vector<bool> is_sliding;
  for (const JsonReader& type : types.items()) {
    is_sliding.push_back(type.choice<bool>({{full, false}, {sliding, true}}));
  }
  return is_sliding;
}

/// Without layer_types.
std::vector<bool> sliding_by_other_keys(JsonReader& config, const WindowRules& rules, std::int64_t layers,
                                        bool has_window) {
  std::vector<bool> is_sliding(static_cast<std::size_t>(layers), rules.keys == WindowKeys::by_size);
  if (rules.keys == WindowKeys::by_switch && has_window) {
    const std::int64_t full_layers =
        config.integer_or("max_window_layers", default_max_window_layers, {.lowest = 0, .highest = 1 << 24});
    for (std::int64_t layer = full_layers; layer < layers; ++layer) {
      is_sliding[static_cast<std::size_t>(layer)] = true;
    }
  }
  if (rules.keys == WindowKeys::by_pattern) {
    const std::int64_t pattern = rules.pattern_key == nullptr
                                     ? rules.pattern
                                     : config.integer_or(rules.pattern_key, rules.pattern, size_range);
    for (std::size_t layer = 0; layer < is_sliding.size(); ++layer) {
      is_sliding[layer] = (static_cast<std::int64_t>(layer) + 1) % pattern != 0;
    }
  }
  return is_sliding;
}

bool any(const std::vector<bool>& flags) {
  return std::find(flags.begin(), flags.end(), true) != flags.end();
}

std::vector<std::optional<std::int64_t>> windows_of(const AttentionWindows& windows) {
  std::vector<std::optional<std::int64_t>> result;
  for (std::size_t layer = 0; layer < windows.is_sliding.size(); ++layer) {
    result.push_back(windows.of(layer));
  }
  return result;
}

OrderedJson value_of(std::optional<std::int64_t> window) {
  return window ? OrderedJson(*window) : OrderedJson(nullptr);
}

/// The window of the layers that have one.
std::optional<std::int64_t> size_of(const std::vector<LayerShape>& layers) {
  for (const LayerShape& layer : layers) {
    if (layer.window) {
      return layer.window;
    }
  }
  return std::nullopt;
}

OrderedJson layer_types_of(const std::vector<LayerShape>& layers) {
  OrderedJson types = OrderedJson::array();
  for (const LayerShape& layer : layers) {
    types.push_back(layer.window ? sliding : full);
  }
  return types;
}

void write_listed_types(OrderedJson& config, const OrderedJson& wanted) {
  if (config.contains("layer_types") && config["layer_types"].is_array() && config["layer_types"] != wanted) {
    config["layer_types"] = wanted;
  }
}

/// Windows that differ stand in the layers' own entries; here all layers then see everything, so that
/// transformers makes no cache for generation that would forget what some layer still sees.
void write_modeling_file_window(OrderedJson& config, const std::vector<LayerShape>& layers) {
  const std::optional<std::int64_t> window = windows_are_shared(layers) ? size_of(layers) : std::nullopt;
  if (config.value("sliding_window", OrderedJson(nullptr)) != value_of(window)) {
    config["sliding_window"] = value_of(window);
  }
  write_listed_types(config, OrderedJson(layers.size(), window ? sliding : full));
}

}  // namespace

bool windows_are_shared(const std::vector<LayerShape>& layers) {
  const LayerShape* first = nullptr;
  for (const LayerShape& layer : layers) {
    if (!layer.has_attention) {
      continue;
    }
    first = first == nullptr ? &layer : first;
    if (layer.window != first->window) {
      return false;
    }
  }
  return true;
}

AttentionWindows read_attention_windows(JsonReader& config, const WindowRules& rules, std::int64_t layers) {
  if (rules.keys == WindowKeys::none) {
    return {std::nullopt, std::vector<bool>(static_cast<std::size_t>(layers), false)};
  }
  if (rules.keys == WindowKeys::modeling_file) {
    const std::optional<std::int64_t> size = window_size(config, std::nullopt);
    return {size, std::vector<bool>(static_cast<std::size_t>(layers), size.has_value())};
  }
  std::optional<std::int64_t> window = window_size(config, default_window);
  if (rules.keys == WindowKeys::by_switch && !config.boolean_or("use_sliding_window", false)) {
    window.reset();
  }
  const std::optional<JsonReader> types = config.optional("layer_types");
  AttentionWindows windows{window, types ? sliding_by_types(*types, layers)
                                         : sliding_by_other_keys(config, rules, layers, window.has_value())};
  if ((types || rules.keys == WindowKeys::by_pattern) && any(windows.is_sliding) && !window) {
    throw Error{.code = ErrorCode::unsupported,
                .where = config.where() + ": layer_types",
                .found = "layers with a window, and no window in use",
                .expected = "sliding_window to be a number",
                .remedy = "Say in config.json how far the sliding layers see"};
  }
  return windows;
}

void write_attention_windows(OrderedJson& config, const WindowRules& rules,
                             const std::vector<LayerShape>& layers) {
  if (rules.keys == WindowKeys::modeling_file) {
    write_modeling_file_window(config, layers);
    return;
  }
  const std::optional<std::int64_t> window = size_of(layers);
  if (rules.keys == WindowKeys::none) {
    if (window) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "export.format",
                  .found = "a model with an attention window of " + std::to_string(*window),
                  .expected = "a class that has one",
                  .remedy = "Set export.format to " + formats_of_differing_layers()};
    }
    return;
  }
  if (rules.keys == WindowKeys::by_size && !window && config.contains("layer_types")) {
    // With layer_types, transformers takes the folder for Ministral, which asks for a window that no layer
    // has; named by its own class, it would have the window whatever the list says.
    config.erase("layer_types");
    config["sliding_window"] = nullptr;
  }
  if (window && config.contains("sliding_window") && config["sliding_window"].is_null()) {
    config["sliding_window"] = *window;
  }
  const Json written = parse_json(config.dump(), "config.json");
  JsonReader reader(written, "config.json");
  std::vector<std::optional<std::int64_t>> wanted;
  for (const LayerShape& layer : layers) {
    wanted.push_back(layer.window);
  }
  if (windows_of(read_attention_windows(reader, rules, static_cast<std::int64_t>(layers.size()))) == wanted) {
    return;
  }
  config["sliding_window"] = value_of(window);
  if (rules.keys == WindowKeys::by_switch) {
    config["use_sliding_window"] = window.has_value();
    if (window && windows_are_shared(layers)) {
      config["max_window_layers"] = 0;
    }
  }
  if (windows_are_shared(layers) && rules.keys != WindowKeys::by_pattern) {
    write_listed_types(config, layer_types_of(layers));
  } else {
    config["layer_types"] = layer_types_of(layers);
  }
}

}  // namespace cce
