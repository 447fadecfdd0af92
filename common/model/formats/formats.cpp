#include <array>

#include "common/base/error.h"
#include "common/base/nearest_name.h"
#include "common/model/families/family.h"
#include "common/model/formats/format.h"
#include "common/recipe/job_spec_names.h"

namespace cce {

#define CCE_EXPORT_FORMAT(name) const FormatRules& name##_rules();
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT

const FormatRules& rules_of(ExportFormat format) {
  static const std::array rows = {
#define CCE_EXPORT_FORMAT(name) &name##_rules(),
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT
  };
  return *rows.at(static_cast<std::size_t>(format));
}

std::span<const ExportFormat> export_formats() {
  static constexpr std::array formats = {
#define CCE_EXPORT_FORMAT(name) ExportFormat::name,
#include "common/model/formats/formats.def"
#undef CCE_EXPORT_FORMAT
  };
  return formats;
}

const NameTable<ExportFormat>& format_names() {
  static const NameTable<ExportFormat> names = [] {
    NameTable<ExportFormat> table;
    for (const ExportFormat format : export_formats()) {
      table.emplace_back(rules_of(format).name, format);
    }
    return table;
  }();
  return names;
}

std::string_view format_name(ExportFormat format) {
  return rules_of(format).name;
}

ExportFormat format_named(std::string_view name, const std::string& where) {
  std::vector<std::string> known;
  for (const ExportFormat format : export_formats()) {
    if (rules_of(format).name == name) {
      return format;
    }
    known.emplace_back(rules_of(format).name);
  }
  throw Error{.code = ErrorCode::out_of_range,
              .where = where,
              .found = std::string(name),
              .expected = "one of " + join_names(known),
              .remedy = "Name one of these formats"};
}

std::string formats_of_differing_layers() {
  std::vector<std::string> names;
  for (const ExportFormat format : export_formats()) {
    if (!rules_of(format).widths_are_shared) {
      names.emplace_back(rules_of(format).name);
    }
  }
  return join_names(names);
}

const ModelClass* find_own_class(std::string_view model_type) {
  for (const ExportFormat format : export_formats()) {
    const ModelClass* own = rules_of(format).own_class;
    if (own != nullptr && own->model_type == model_type) {
      return own;
    }
  }
  return nullptr;
}

ExportFormat format_of_class(std::string_view class_name) {
  for (const ExportFormat format : export_formats()) {
    const ModelClass* own = rules_of(format).own_class;
    if (own != nullptr && own->class_name == class_name) {
      return format;
    }
  }
  return export_formats().front();
}

void leave_own_class(const ModelConfig& config, OrderedJson& document) {
  if (const ModelClass* own = find_own_class(document.value("model_type", ""))) {
    write_ropes(document, own->rope, RopeReader::family, config.family->ropes, config);
    document.erase(own->section);
    document.erase("auto_map");
  }
}

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

}  // namespace cce
