#pragma once
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/attention_window.h"
#include "common/model/formats/export_format.h"
#include "common/model/model_config.h"
#include "common/model/rope_keys.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// A class of its own that reads a format's results in transformers, where no family's class can hold them. Its
/// config.json names itself by model_type, and the family of the original by SECTION.base_model_type.
struct ModelClass {
  std::string_view model_type;
  std::string_view class_name;
  const char* section;  ///< the key of config.json that says what the layers are
  /// Replaces config.layers, whose count and dense shapes are already read, by what the section says.
  void (*read_layers)(JsonReader& section, ModelConfig& config);
  RopeReader rope;  ///< how the class reads the other keys that programs differ about
  WindowRules windows;
};

/// What a format can carry and how its config.json says it. Its files are written in worker/model/formats.
struct FormatRules {
  std::string_view name;  ///< in recipes: export.format
  std::span<const Structure> structures;
  /// What `structures: auto` means. Key/value groups, blocks and layers are left to recipes that name them: on
  /// the reference model they cost more than they save.
  std::span<const Structure> automatic_structures;
  bool widths_are_shared = false;         ///< all layers have one FFN width and one count of KV groups
  bool drops_empty_layers = false;        ///< layers without either block are left out of the result
  bool adds_output_biases = false;        ///< the refit gives every sub-block an output bias
  const ModelClass* own_class = nullptr;  ///< nullptr: results are of the family's plain class
  /// Refuses shapes that the format cannot carry, naming the layer. Errors: impossible_combination.
  void (*check)(const ModelConfig& config) = nullptr;
  /// Refuses an original whose other files the format has to carry and cannot. nullptr: it copies them as they are.
  /// Errors: unsupported, missing_file, those of what reads them.
  void (*check_original)(const FileSystem& files, const std::filesystem::path& folder,
                         const ModelConfig& config) = nullptr;
  /// Rewrites the original's config.json for `config`, which has passed `check`.
  void (*write_config)(const ModelConfig& config, OrderedJson& document) = nullptr;
  std::string_view loading_advice;  ///< Markdown for the model card: how to load a result
};

const FormatRules& rules_of(ExportFormat format);

/// All of them, the default first.
std::span<const ExportFormat> export_formats();

/// Errors: out_of_range, at `where`.
ExportFormat format_named(std::string_view name, const std::string& where);

/// The class of a format that has one of its own, by its model_type; nullptr: a family's plain class.
const ModelClass* find_own_class(std::string_view model_type);

/// The format whose results a class holds: for a family's plain class the default.
ExportFormat format_of_class(std::string_view class_name);

/// "custom": the formats whose layers may differ, for remedies.
std::string formats_of_differing_layers();

/// Removes from a config.json that an own class read what only that class reads.
void leave_own_class(const ModelConfig& config, OrderedJson& document);

/// The model without the layers that lost both blocks. `kept_layers`, if given, receives the old index of each.
ModelConfig drop_empty_layers(const ModelConfig& config, std::vector<std::int64_t>* kept_layers = nullptr);

}  // namespace cce
