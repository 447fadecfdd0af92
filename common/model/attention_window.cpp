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

std::int64_t count_sliding(const JsonReader& types, std::int64_t layers) {
  if (static_cast<std::int64_t>(types.items().size()) != layers) {
    types.refuse(ErrorCode::out_of_range, std::to_string(layers) + " entries, one for each layer");
  }
  std::int64_t count = 0;
  for (const JsonReader& type : types.items()) {
    count += type.choice<std::int64_t>({{full, 0}, {sliding, 1}});
  }
  return count;
}

[[noreturn]] void refuse(const JsonReader& config, const char* key, std::string found, const char* expected) {
  throw Error{.code = ErrorCode::unsupported,
              .where = config.where() + ": " + key,
              .found = std::move(found),
              .expected = expected,
              .remedy = "Models whose layers differ in what they see cannot be compressed"};
}

/// `sliding_layers` of `layers` have the window, as `key` says.
std::optional<std::int64_t> shared_window(const JsonReader& config, const char* key,
                                          std::int64_t sliding_layers, std::int64_t layers,
                                          std::optional<std::int64_t> window) {
  if (sliding_layers == 0) {
    return std::nullopt;
  }
  if (sliding_layers != layers) {
    refuse(config, key,
           std::to_string(sliding_layers) + " of " + std::to_string(layers) + " layers with a window",
           "the same attention window in all layers");
  }
  if (!window) {
    refuse(config, key, "layers with a window, and no window in use", "sliding_window to be a number");
  }
  return window;
}

void write_layer_types(OrderedJson& config, bool has_window, std::int64_t layers) {
  const OrderedJson wanted(static_cast<std::size_t>(layers), has_window ? sliding : full);
  if (config.contains("layer_types") && config["layer_types"].is_array() && config["layer_types"] != wanted) {
    config["layer_types"] = wanted;
  }
}

OrderedJson value_of(std::optional<std::int64_t> window) {
  return window ? OrderedJson(*window) : OrderedJson(nullptr);
}

void write_modeling_file_window(OrderedJson& config, std::optional<std::int64_t> window,
                                std::int64_t layers) {
  const OrderedJson wanted = value_of(window);
  if (config.value("sliding_window", OrderedJson(nullptr)) != wanted) {
    config["sliding_window"] = wanted;
  }
  // The modelling file does not ask for it, but transformers makes a cache for generation from it.
  write_layer_types(config, window.has_value(), layers);
}

}  // namespace

std::optional<std::int64_t> read_attention_window(JsonReader& config, WindowKeys keys, std::int64_t layers) {
  if (keys == WindowKeys::none) {
    return std::nullopt;
  }
  if (keys == WindowKeys::modeling_file) {
    return window_size(config, std::nullopt);
  }
  std::optional<std::int64_t> window = window_size(config, default_window);
  if (keys == WindowKeys::by_switch && !config.boolean_or("use_sliding_window", false)) {
    window.reset();
  }
  if (const std::optional<JsonReader> types = config.optional("layer_types")) {
    return shared_window(config, "layer_types", count_sliding(*types, layers), layers, window);
  }
  if (keys == WindowKeys::by_size || !window) {
    return window;
  }
  const std::int64_t full_layers =
      config.integer_or("max_window_layers", default_max_window_layers, {.lowest = 0, .highest = 1 << 24});
  return shared_window(config, "max_window_layers", std::max<std::int64_t>(0, layers - full_layers), layers,
                       window);
}

void write_attention_window(OrderedJson& config, WindowKeys keys, std::optional<std::int64_t> window,
                            std::int64_t layers) {
  if (keys == WindowKeys::modeling_file) {
    write_modeling_file_window(config, window, layers);
    return;
  }
  if (keys == WindowKeys::none) {
    if (window) {
      throw Error{.code = ErrorCode::impossible_combination,
                  .where = "export.format",
                  .found = "a model with an attention window of " + std::to_string(*window),
                  .expected = "a class that has one",
                  .remedy = "Set export.format to " + formats_of_differing_layers()};
    }
    return;
  }
  if (keys == WindowKeys::by_size && !window && config.contains("layer_types")) {
    // With layer_types, transformers takes the folder for Ministral, which asks for a window that no layer
    // has; named by its own class, it would have the window whatever the list says.
    config.erase("layer_types");
    config["sliding_window"] = nullptr;
  }
  const Json written = parse_json(config.dump(), "config.json");
  JsonReader reader(written, "config.json");
  if (read_attention_window(reader, keys, layers) == window) {
    return;
  }
  config["sliding_window"] = value_of(window);
  if (keys == WindowKeys::by_switch) {
    config["use_sliding_window"] = window.has_value();
    if (window) {
      config["max_window_layers"] = 0;
    }
  }
  write_layer_types(config, window.has_value(), layers);
}

}  // namespace cce
