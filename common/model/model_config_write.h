#pragma once
#include <string>

#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// The config.json of an exported checkpoint: the original's keys in their order, with what changed
/// rewritten.
///   uniform, dense  sizes, biases and layer count of the class the original has, head_dim always spelt out;
///                   layers that lost both blocks are left out (dense: none may be), see drop_empty_layers
///   custom          architecture CceLlamaForCausalLM, auto_map to modeling_cce, and the "cce" section;
///                   sizes stay those of the dense model
/// dtype: bf16, f16 or f32, written in the original's spelling (torch_dtype or dtype). Reading the text back
/// with parse_model_config gives `config` again (without its empty layers, for uniform). Errors:
/// impossible_combination where the format cannot carry the shapes; unsupported for deci.
std::string to_config_json(const ModelConfig& config, ExportFormat format,
                           const std::string& original_config_json, const std::string& dtype);

/// The model without the layers that lost both blocks. `kept_layers`, if given, receives the old index of
/// each.
ModelConfig drop_empty_layers(const ModelConfig& config, std::vector<std::int64_t>* kept_layers = nullptr);

}  // namespace cce
