#pragma once
#include <string>

#include "common/model/formats/format.h"
#include "common/model/model_config.h"

namespace cce {

/// The config.json of an exported checkpoint: the original's keys in their order, with what changed
/// rewritten as the format's rules say (common/model/formats).
/// Keys that the class of the result would read otherwise than the original's class did (attention window,
/// rotary settings, tying) are rewritten, so that transformers computes `config` too.
/// dtype: bf16, f16 or f32, written in the original's spelling (torch_dtype or dtype). Reading the text back
/// with parse_model_config gives `config` again (without its empty layers, for uniform). Errors:
/// impossible_combination where the format cannot carry the shapes.
std::string to_config_json(const ModelConfig& config, ExportFormat format,
                           const std::string& original_config_json, const std::string& dtype);

}  // namespace cce
