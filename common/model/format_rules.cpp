#include "common/model/format_rules.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/base/nearest_name.h"
#include "common/model/formats/format.h"

namespace cce {

std::vector<Structure> structures_of(ExportFormat format) {
  const std::span<const Structure> structures = rules_of(format).structures;
  return {structures.begin(), structures.end()};
}

bool allows(ExportFormat format, Structure structure) {
  const std::vector<Structure> structures = structures_of(format);
  return std::find(structures.begin(), structures.end(), structure) != structures.end();
}

std::vector<Structure> automatic_structures(ExportFormat format) {
  const std::span<const Structure> structures = rules_of(format).automatic_structures;
  return {structures.begin(), structures.end()};
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

std::string format_choices() {
  std::string text;
  for (const ExportFormat format : export_formats()) {
    const bool is_last = format == export_formats().back();
    text.append(text.empty() ? "" : is_last ? " or " : ", ").append(format_name(format));
  }
  return text;
}

std::string automatic_structures_text() {
  std::string text;
  for (const ExportFormat format : export_formats()) {
    const std::string structures = structure_list(automatic_structures(format));
    if (text.empty()) {
      text = structures;
    } else if (!text.starts_with(structures + ";") && text != structures) {
      text.append("; for ").append(format_name(format)).append(" ").append(structures);
    }
  }
  return text;
}

bool widths_are_shared(ExportFormat format) {
  return rules_of(format).widths_are_shared;
}

std::int64_t width_step(ExportFormat format, Structure structure, std::int64_t round_to) {
  if (!allows(format, structure)) {
    throw Error{.code = ErrorCode::impossible_combination,
                .where = "export.format=" + std::string(format_name(format)),
                .found = std::string(structure_name(structure)),
                .expected = "one of " + structure_list(structures_of(format)),
                .remedy = "Choose export.format=" + formats_of_differing_layers()};
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

void check_representable(const ModelConfig& config, ExportFormat format) {
  rules_of(format).check(config);
}

}  // namespace cce
