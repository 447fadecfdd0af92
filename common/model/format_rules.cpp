#include "common/model/format_rules.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/nearest_name.h"

namespace cce {

std::vector<Structure> structures_of(ExportFormat format) {
  switch (format) {
    case ExportFormat::uniform:
      return {Structure::ffn, Structure::kv_groups, Structure::layers};
    case ExportFormat::deci:
      return {Structure::ffn, Structure::blocks, Structure::layers};
    case ExportFormat::custom:
    case ExportFormat::dense:
      break;
  }
  return {Structure::ffn,       Structure::vo,     Structure::qk,
          Structure::kv_groups, Structure::blocks, Structure::layers};
}

bool allows(ExportFormat format, Structure structure) {
  const std::vector<Structure> structures = structures_of(format);
  return std::find(structures.begin(), structures.end(), structure) != structures.end();
}

std::vector<Structure> automatic_structures(ExportFormat format) {
  if (format == ExportFormat::custom || format == ExportFormat::dense) {
    return {Structure::ffn, Structure::vo, Structure::qk};
  }
  return {Structure::ffn};
}

std::vector<Structure> resolved_structures(const JobSpec& spec) {
  return spec.structures.empty() ? automatic_structures(spec.export_settings.format) : spec.structures;
}

bool uses_structure(const JobSpec& spec, Structure structure) {
  const std::vector<Structure> structures = resolved_structures(spec);
  return std::find(structures.begin(), structures.end(), structure) != structures.end();
}

std::string structure_list(const std::vector<Structure>& structures) {
  std::vector<std::string> names;
  for (const Structure structure : structures) {
    names.emplace_back(structure_name(structure));
  }
  return join_names(names);
}

bool widths_are_shared(ExportFormat format) {
  return format == ExportFormat::uniform;
}

std::int64_t ffn_step_floor(ExportFormat format) {
  return format == ExportFormat::deci ? 256 : 1;
}

std::int64_t width_step(ExportFormat format, Structure structure, std::int64_t round_to) {
  if (!allows(format, structure)) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "export.format=" + std::string(format_name(format)),
                .found = std::string(structure_name(structure)),
                .expected = "one of " + structure_list(structures_of(format)),
                .remedy = "Choose export.format=custom"};
  }
  switch (structure) {
    case Structure::ffn:
      return round_to;
    case Structure::vo:
    case Structure::qk:
      return 8;
    case Structure::kv_groups:
    case Structure::blocks:
    case Structure::layers:
      break;
  }
  return 1;
}

std::vector<std::int64_t> representable_widths(ExportFormat format, Structure structure,
                                               std::int64_t dense_width, std::int64_t round_to) {
  std::vector<std::int64_t> widths;
  if (allows(format, structure)) {
    const std::int64_t step = width_step(format, structure, round_to);
    for (std::int64_t width = step; width < dense_width; width += step) {
      widths.push_back(width);
    }
  }
  widths.push_back(dense_width);
  return widths;
}

namespace {

[[noreturn]] void refuse_layer(std::size_t layer, const std::string& found, const std::string& expected) {
  throw Error{.code = ErrorCode::impossible_combination,
              .where = "layer " + std::to_string(layer) + ", export.format=uniform",
              .found = found,
              .expected = expected,
              .remedy = "Choose export.format=custom"};
}

bool is_empty(const LayerShape& layer) {
  return !layer.has_attention && !layer.has_ffn;
}

void check_uniform_biases(const ModelConfig& config, std::size_t index) {
  const LayerShape& layer = config.layers[index];
  const bool any_ffn_bias = layer.gate_bias || layer.up_bias || layer.down_bias;
  const bool all_ffn_bias = layer.gate_bias && layer.up_bias && layer.down_bias;
  const bool all_qkv = layer.q_bias && layer.k_bias && layer.v_bias;
  const bool any_qkv = layer.q_bias || layer.k_bias || layer.v_bias;
  switch (config.family) {
    case Family::llama:
      if ((any_qkv || layer.o_bias) != (all_qkv && layer.o_bias) || any_ffn_bias != all_ffn_bias) {
        refuse_layer(index, "biases on some of its matrices",
                     "attention biases on all or none, FFN biases likewise");
      }
      break;
    case Family::mistral:
      if (any_qkv || layer.o_bias || any_ffn_bias) {
        refuse_layer(index, "biases", "none in MistralForCausalLM");
      }
      break;
    case Family::qwen2:
      if (!all_qkv || layer.o_bias || any_ffn_bias) {
        refuse_layer(index, "other biases", "biases on q, k and v in Qwen2ForCausalLM");
      }
      break;
  }
}

void check_uniform(const ModelConfig& config) {
  const LayerShape* first = nullptr;
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const LayerShape& layer = config.layers[i];
    if (is_empty(layer)) {
      continue;
    }
    if (!layer.has_attention || !layer.has_ffn) {
      refuse_layer(i, layer.has_ffn ? "no attention" : "no FFN", "both, or a whole layer dropped");
    }
    if (layer.qk_dim != config.head_dim || layer.vo_dim != config.head_dim || !layer.rope_pairs.empty()) {
      refuse_layer(
          i, "qk and vo widths " + std::to_string(layer.qk_dim) + " and " + std::to_string(layer.vo_dim),
          std::to_string(config.head_dim));
    }
    check_uniform_biases(config, i);
    first = first == nullptr ? &layer : first;
    if (layer != *first) {
      refuse_layer(i, "shapes that differ from an earlier layer's", "the same shapes in all layers");
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

}  // namespace

void check_representable(const ModelConfig& config, ExportFormat format) {
  switch (format) {
    case ExportFormat::uniform:
    case ExportFormat::dense:
      return check_uniform(config);
    case ExportFormat::custom:
      return;
    case ExportFormat::deci:
      break;
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = "export.format",
              .found = "deci",
              .expected = "uniform, custom or dense",
              .remedy = "Choose export.format=uniform or custom"};
}

}  // namespace cce
