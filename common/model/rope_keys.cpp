#include "common/model/rope_keys.h"

#include <array>
#include <optional>
#include <string>

namespace cce {
namespace {

constexpr IntegerRange size_range{.lowest = 1, .highest = 1 << 24};
constexpr NumberRange theta_range{.lowest = 0.0, .highest = 1e12, .above_lowest = true};
constexpr const char* original_key = "original_max_position_embeddings";

/// The names of the two sections, the one that is asked first in front.
std::array<const char*, 2> sections_of(RopeReader reader) {
  return reader == RopeReader::family ? std::array{"rope_scaling", "rope_parameters"}
                                      : std::array{"rope_parameters", "rope_scaling"};
}

template <typename AnyJson>
bool holds_section(const AnyJson& document, const char* key) {
  return document.contains(key) && !document.at(key).is_null() && !document.at(key).empty();
}

std::int64_t original_positions(JsonReader& reader, JsonReader& section, RopeReader from,
                                const ModelConfig& config) {
  if (from == RopeReader::modeling_file) {
    return section.required(original_key).integer(size_range);
  }
  const std::int64_t inside = section.integer_or(original_key, config.max_positions, size_range);
  return reader.integer_or(original_key, inside, size_range);
}

Llama3RopeScaling read_llama3(JsonReader& reader, JsonReader& section, RopeReader from,
                              const ModelConfig& config) {
  const NumberRange positive{.lowest = 0.0, .highest = 1e6, .above_lowest = true};
  Llama3RopeScaling scaling;
  scaling.factor = section.required("factor").number(positive);
  scaling.low_freq_factor = section.required("low_freq_factor").number(positive);
  scaling.high_freq_factor = section.required("high_freq_factor").number(positive);
  scaling.original_max_position = original_positions(reader, section, from, config);
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    section.required("high_freq_factor").refuse(ErrorCode::out_of_range, "more than low_freq_factor");
  }
  return scaling;
}

void check_section(JsonReader& section) {
  for (const std::string& key : section.keys()) {
    const std::optional<JsonReader> value = section.optional(key);
    if (value && value->is_object()) {
      value->refuse(ErrorCode::unsupported, "the same rotary settings in all layers");
    }
  }
  if (section.number_or("partial_rotary_factor", 1.0) != 1.0) {
    section.required("partial_rotary_factor").refuse(ErrorCode::unsupported, "1");
  }
}

}  // namespace

void read_rope(JsonReader& reader, RopeReader from, ModelConfig& config) {
  config.rope_theta = reader.number_or("rope_theta", 10000.0, theta_range);
  for (const char* key : sections_of(from)) {  // 1.
    std::optional<JsonReader> section = reader.optional(key);
    if (!section || section->json().empty()) {
      continue;
    }
    check_section(*section);
    config.rope_theta = section->number_or("rope_theta", config.rope_theta, theta_range);  // 2.
    const char* type_key = section->has("rope_type") ? "rope_type" : "type";
    const std::string type = section->text_or(type_key, "default");
    if (type == "llama3") {
      config.rope_scaling = read_llama3(reader, *section, from, config);  // 3.
    } else if (type != "default") {
      section->required(type_key).refuse(ErrorCode::unsupported, "default or llama3");
    }
    return;
  }
}

void write_rope(OrderedJson& document, RopeReader from, RopeReader to, const ModelConfig& config) {
  const auto [acting, other] = sections_of(from);
  if (from == to) {
    return;
  }
  if (holds_section(document, acting) && holds_section(document, other)) {
    document.erase(other);
  }
  if (config.rope_scaling) {
    OrderedJson& section = document[holds_section(document, acting) ? acting : other];
    const std::int64_t original = config.rope_scaling->original_max_position;
    if (section.value(original_key, std::int64_t{0}) != original) {
      section[original_key] = original;
    }
    if (document.value(original_key, original) != original) {
      document[original_key] = original;
    }
  }
}

}  // namespace cce
