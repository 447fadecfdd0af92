#include "common/model/rope_keys.h"

#include <array>
#include <cmath>
#include <optional>
#include <string>

namespace cce {
namespace {

constexpr IntegerRange size_range{.lowest = 1, .highest = 1 << 24};
constexpr NumberRange theta_range{.lowest = 0.0, .highest = 1e12, .above_lowest = true};
constexpr NumberRange factor_range{.lowest = 0.0, .highest = 1e6, .above_lowest = true};
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

/// The acting section and what stands around it.
struct Section {
  JsonReader& config;
  JsonReader& section;
  RopeReader reader;
  std::int64_t max_positions;
  std::int64_t pairs;  ///< of a head
  double theta;

  double factor(const char* key = "factor") const { return section.required(key).number(factor_range); }
  double number_or(const char* key, double where_absent) const {
    return section.number_or(key, where_absent, factor_range);
  }
  std::int64_t original_positions() const {
    if (reader == RopeReader::modeling_file) {
      return section.required(original_key).integer(size_range);
    }
    const std::int64_t inside = section.integer_or(original_key, max_positions, size_range);
    return config.integer_or(original_key, inside, size_range);
  }
  /// Where it is null, the ratio by which the positions grew.
  double factor_or_growth(std::int64_t original) const {
    return number_or("factor", static_cast<double>(max_positions) / static_cast<double>(original));
  }
};

RopeScaling read_linear(const Section& from) {
  return LinearRope{from.factor()};
}

RopeScaling read_dynamic(const Section& from) {
  if (from.pairs < 2) {
    from.section.required("factor").refuse(ErrorCode::unsupported,
                                           "heads of at least 4 dimensions to stretch");
  }
  return DynamicRope{.factor = from.factor(), .max_positions = from.max_positions};
}

/// 1 + 0.1 m ln(factor), arXiv 2309.00071 section 3.4.
double yarn_magnitude(double factor, double m) {
  return factor <= 1.0 ? 1.0 : 0.1 * m * std::log(factor) + 1.0;
}

RopeScaling read_yarn(const Section& from) {
  if (!from.section.json().contains("factor")) {
    from.section.required("factor");  // null means the growth, absence nothing
  }
  if (from.theta == 1.0) {
    from.section.required("rope_type").refuse(ErrorCode::out_of_range, "a rope_theta other than 1");
  }
  YarnRope scaling;
  scaling.original_max_position = from.original_positions();
  scaling.factor = from.factor_or_growth(scaling.original_max_position);
  const double m = from.section.number_or("mscale", 0.0, {.lowest = 0.0, .highest = 1e6});
  const double m_all = from.section.number_or("mscale_all_dim", 0.0, {.lowest = 0.0, .highest = 1e6});
  const double inferred = m != 0.0 && m_all != 0.0
                              ? yarn_magnitude(scaling.factor, m) / yarn_magnitude(scaling.factor, m_all)
                              : yarn_magnitude(scaling.factor, 1.0);
  scaling.attention_factor = from.number_or("attention_factor", inferred);
  scaling.beta_fast = from.number_or("beta_fast", scaling.beta_fast);
  scaling.beta_slow = from.number_or("beta_slow", scaling.beta_slow);
  scaling.truncate = from.section.boolean_or("truncate", true);
  return scaling;
}

std::vector<double> factors_of_pairs(const Section& from, const char* key) {
  const JsonReader list = from.section.required(key);
  std::vector<double> factors = list.numbers(factor_range);
  if (static_cast<std::int64_t>(factors.size()) != from.pairs) {
    list.refuse(ErrorCode::out_of_range, std::to_string(from.pairs) + " numbers, one for each rotary pair");
  }
  return factors;
}

RopeScaling read_longrope(const Section& from) {
  LongRope scaling;
  scaling.short_factor = factors_of_pairs(from, "short_factor");
  scaling.long_factor = factors_of_pairs(from, "long_factor");
  scaling.original_max_position = from.original_positions();
  if (scaling.original_max_position < 2) {
    from.section.required("long_factor")
        .refuse(ErrorCode::out_of_range, std::string(original_key) + " of at least 2");
  }
  const double factor = from.factor_or_growth(scaling.original_max_position);
  const double inferred =
      factor <= 1.0
          ? 1.0
          : std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(scaling.original_max_position)));
  scaling.attention_factor = from.number_or("attention_factor", inferred);
  return scaling;
}

RopeScaling read_llama3(const Section& from) {
  Llama3Rope scaling;
  scaling.factor = from.factor();
  scaling.low_freq_factor = from.factor("low_freq_factor");
  scaling.high_freq_factor = from.factor("high_freq_factor");
  scaling.original_max_position = from.original_positions();
  if (scaling.high_freq_factor <= scaling.low_freq_factor) {
    from.section.required("high_freq_factor").refuse(ErrorCode::out_of_range, "more than low_freq_factor");
  }
  return scaling;
}

/// A value of rope_type.
struct ScalingRow {
  const char* type;
  RopeScaling (*read)(const Section& from);
};
constexpr std::array scaling_rows = {
    ScalingRow{"linear", read_linear},     ScalingRow{"dynamic", read_dynamic}, ScalingRow{"yarn", read_yarn},
    ScalingRow{"longrope", read_longrope}, ScalingRow{"llama3", read_llama3},
};

/// Read by scalings alone: the classes' own frequencies turn whole heads whatever it says.
void refuse_partial_heads(const Section& from) {
  for (JsonReader* reader : {&from.section, &from.config}) {
    if (const std::optional<JsonReader> value = reader->optional("partial_rotary_factor")) {
      if (value->number() != 1.0) {
        value->refuse(ErrorCode::unsupported, "1 beside a rope_type");
      }
      return;
    }
  }
}

std::optional<RopeScaling> read_scaling(const Section& from) {
  const char* type_key = from.section.has("rope_type") ? "rope_type" : "type";
  const std::string type = from.section.text_or(type_key, "default");
  if (type == "default") {
    return std::nullopt;
  }
  refuse_partial_heads(from);
  std::string known = "default";
  for (const ScalingRow& row : scaling_rows) {
    if (type == row.type) {
      return row.read(from);
    }
    known += std::string(", ") + row.type;
  }
  from.section.required(type_key).refuse(ErrorCode::unsupported, "one of " + known);
}

void refuse_sections_by_layer_type(JsonReader& section) {
  for (const std::string& key : section.keys()) {
    const std::optional<JsonReader> value = section.optional(key);
    if (value && value->is_object()) {
      value->refuse(ErrorCode::unsupported, "the same rotary settings in all layers");
    }
  }
}

/// What a scaling reads as original_max_position_embeddings; nullopt where it has no such key.
std::optional<std::int64_t> original_positions_of(const RopeSettings& rope) {
  if (!rope.scaling) {
    return std::nullopt;
  }
  return std::visit(
      [](const auto& scaling) -> std::optional<std::int64_t> {
        if constexpr (requires { scaling.original_max_position; }) {
          return scaling.original_max_position;
        } else {
          return std::nullopt;
        }
      },
      *rope.scaling);
}

constexpr const char* full_layers = "full_attention";
constexpr const char* sliding_layers = "sliding_attention";

/// One section for all layers.
RopeSettings read_shared(JsonReader& reader, RopeReader from, const RopeRules& rules,
                         const ModelConfig& config) {
  RopeSettings rope{.theta = reader.number_or("rope_theta", rules.theta, theta_range), .scaling = {}};
  for (const char* key : sections_of(from)) {  // 1.
    std::optional<JsonReader> section = reader.optional(key);
    if (!section || section->json().empty()) {
      continue;
    }
    refuse_sections_by_layer_type(*section);
    rope.theta = section->number_or("rope_theta", rope.theta, theta_range);  // 2.
    rope.scaling =
        read_scaling({reader, *section, from, config.max_positions, config.head_dim / 2, rope.theta});  // 3.
    break;
  }
  return rope;
}

/// The settings of one kind of layers, of the sections that say something of it: a later one's keys stand over those
/// before.
RopeSettings read_merged(const JsonReader& reader, const std::vector<Json>& sections,
                         const std::string& where, double theta, const ModelConfig& config) {
  Json merged = Json::object();
  for (const Json& section : sections) {
    merged.update(section);
  }
  RopeSettings rope;
  JsonReader section(merged, reader.where() + ": " + where);
  rope.theta = section.number_or("rope_theta", theta, theta_range);
  const Json nothing = Json::object();
  JsonReader outside(nothing, reader.where());  // these classes read no key outside the sections
  rope.scaling = read_scaling(
      {outside, section, RopeReader::family, config.max_positions, config.head_dim / 2, rope.theta});
  return rope;
}

std::vector<RopeSettings> read_by_layer_type(JsonReader& reader, const RopeRules& rules,
                                             const ModelConfig& config) {
  std::vector<Json> full, sliding;
  if (std::optional<JsonReader> sections = reader.optional("rope_parameters")) {
    for (const auto& [type, list] : {std::pair(full_layers, &full), std::pair(sliding_layers, &sliding)}) {
      if (const std::optional<JsonReader> section = sections->optional(type)) {
        list->push_back(section->json());
      }
    }
  }
  if (const std::optional<JsonReader> older = reader.optional("rope_scaling")) {
    full.push_back(older->json());
  }
  const double theta = reader.number_or("rope_theta", rules.theta, theta_range);
  const double sliding_theta =
      rules.sliding_theta_key != nullptr
          ? reader.number_or(rules.sliding_theta_key, rules.sliding_theta, theta_range)
          : rules.theta;  // rope_theta goes to the full layers alone
  return {read_merged(reader, full, full_layers, theta, config),
          read_merged(reader, sliding, sliding_layers, sliding_theta, config)};
}

/// rope_type and the scaling's own keys.
struct SectionWriter {
  OrderedJson& section;

  void operator()(const LinearRope& scaling) const {
    section.update({{"rope_type", "linear"}, {"factor", scaling.factor}});
  }
  void operator()(const DynamicRope& scaling) const {
    section.update({{"rope_type", "dynamic"}, {"factor", scaling.factor}});
  }
  void operator()(const YarnRope& scaling) const {
    section.update({{"rope_type", "yarn"},
                    {"factor", scaling.factor},
                    {"attention_factor", scaling.attention_factor},
                    {"beta_fast", scaling.beta_fast},
                    {"beta_slow", scaling.beta_slow},
                    {"truncate", scaling.truncate},
                    {original_key, scaling.original_max_position}});
  }
  void operator()(const LongRope& scaling) const {
    section.update({{"rope_type", "longrope"},
                    {"short_factor", scaling.short_factor},
                    {"long_factor", scaling.long_factor},
                    {"attention_factor", scaling.attention_factor},
                    {original_key, scaling.original_max_position}});
  }
  void operator()(const Llama3Rope& scaling) const {
    section.update({{"rope_type", "llama3"},
                    {"factor", scaling.factor},
                    {"low_freq_factor", scaling.low_freq_factor},
                    {"high_freq_factor", scaling.high_freq_factor},
                    {original_key, scaling.original_max_position}});
  }
};

/// Whether modeling_cce.py would read the same of the keys that the class reads.
bool are_read_alike(const OrderedJson& document, const RopeRules& rules) {
  bool has_theta = document.contains("rope_theta");
  for (const char* key : sections_of(RopeReader::family)) {
    has_theta = has_theta || (holds_section(document, key) && document.at(key).contains("rope_theta"));
  }
  return !rules.by_layer_type && (has_theta || rules.theta == RopeSettings{}.theta);
}

}  // namespace

OrderedJson rope_section(const RopeSettings& rope) {
  OrderedJson section = {{"rope_type", "default"}, {"rope_theta", rope.theta}};
  if (rope.scaling) {
    std::visit(SectionWriter{section}, *rope.scaling);
  }
  return section;
}

RopeSettings read_rope_section(JsonReader section, const ModelConfig& config) {
  RopeSettings rope;
  rope.theta = section.required("rope_theta").number(theta_range);
  const Json nothing = Json::object();
  JsonReader outside(nothing, section.where());
  rope.scaling = read_scaling(
      {outside, section, RopeReader::modeling_file, config.max_positions, config.head_dim / 2, rope.theta});
  return rope;
}

void read_ropes(JsonReader& reader, RopeReader from, const RopeRules& rules, ModelConfig& config) {
  if (from == RopeReader::family && rules.by_layer_type) {
    config.ropes = read_by_layer_type(reader, rules, config);
  } else {
    config.ropes = {read_shared(reader, from, from == RopeReader::family ? rules : RopeRules{}, config)};
  }
}

void write_ropes(OrderedJson& document, RopeReader from, RopeReader to, const RopeRules& rules,
                 const ModelConfig& config) {
  if (from == to) {
    return;
  }
  if (!are_read_alike(document, rules)) {
    document.erase("rope_scaling");
    document.erase("rope_theta");
    if (rules.sliding_theta_key != nullptr) {
      document.erase(rules.sliding_theta_key);
    }
    document["rope_parameters"] = rope_section(config.ropes.front());
    if (to == RopeReader::family && rules.by_layer_type) {
      document["rope_parameters"] = {{full_layers, rope_section(config.ropes.front())},
                                     {sliding_layers, rope_section(config.ropes.back())}};
    }
    return;
  }
  const auto [acting, other] = sections_of(from);
  if (holds_section(document, acting) && holds_section(document, other)) {
    document.erase(other);
  }
  if (const std::optional<std::int64_t> original = original_positions_of(config.ropes.front())) {
    OrderedJson& section = document[holds_section(document, acting) ? acting : other];
    if (section.value(original_key, std::int64_t{0}) != *original) {
      section[original_key] = *original;
    }
    if (document.value(original_key, *original) != *original) {
      document[original_key] = *original;
    }
  }
}

}  // namespace cce
