#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/json_reader.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// One YAML document as JSON, with the types of YAML's core schema: plain null, true/false, decimal, 0x and
/// 0o integers and floats become values, every quoted or other scalar a string ("yes" and "0:32" stay text);
/// an empty document is null. `source` names the document in errors, which carry line and key path. Errors:
/// malformed_file (syntax, several documents, duplicate keys, keys that are not plain strings, nesting deeper
/// than 32, more than 1 MiB); unsupported (anchors, aliases and tags other than !!str, which a recipe has no
/// use for).
Json parse_yaml(std::string_view yaml_text, const std::string& source);

/// Reads a recipe file and anchors its relative paths at the recipe's folder. Errors: as parse_yaml;
/// missing_file, io_failure.
Json read_recipe(const std::filesystem::path& file);

/// Anchors every relative path of a recipe (the keys with a KeyPath) at `folder`; absolute paths stay. Values
/// of other types are left for parse_job_spec to refuse.
void anchor_paths(Json& recipe, const std::filesystem::path& folder);

/// Sets `key_path` ("encode.refine_steps"; a number indexes an existing list: "calibration.text.0.windows")
/// to a value, creating objects on the way. A job has one target: setting one kind of `target`, or
/// `threshold`, removes the others. Errors: wrong_type where the path runs through a value that is not an
/// object or list; out_of_range for a list index.
void set_key(Json& recipe, std::string_view key_path, Json value);

/// set_key with the value's relative paths anchored at `folder`: what a flag sets.
void set_anchored(Json& recipe, std::string_view key_path, Json value, const std::filesystem::path& folder);

/// The `--set KEY=VALUE` flag: VALUE is YAML ("20", "[ffn, vo]", "{epsilon: 0.05}"). Paths in it are anchored
/// at `folder`. Errors: invalid_argument without '=' or with an empty key; as parse_yaml and set_key.
void apply_setting(Json& recipe, std::string_view setting, const std::filesystem::path& folder);

/// Refuses the keys that a run fills in (FilledBy::run): in a recipe they would do nothing. Errors:
/// unknown_key.
void refuse_run_keys(const Json& recipe);

/// The recipe as JSON text for parse_job_spec. Errors: malformed_file for text that is not UTF-8.
std::string recipe_text(const Json& recipe);

/// The resolved job as a recipe that resolves to the same job again: block style, strings quoted where YAML
/// would read them as something else. What a run fills in (refuse_run_keys) is left out.
std::string recipe_yaml(const JobSpec& spec);

}  // namespace cce
