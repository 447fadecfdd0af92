#pragma once
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/model_config.h"

namespace cce {

/// The "cce" section of a `custom` checkpoint's config.json (schema_version 1):
///   {"schema_version": 1, "base_model_type": "llama", "layers": [{"attention": true, "kv_groups": g,
///    "queries_per_group": r, "qk_dim": .., "vo_dim": .., "rope_pairs": [g × qk_dim / 2, group by group;
///    empty: all], "ffn": width or 0, "biases": ["q", "k", "v", "o", "gate", "up", "down"]}]}

/// Replaces config.layers, whose count and dense shapes are already read, by what the section says.
/// Errors: unknown_key, wrong_type, out_of_range; unsupported for another schema_version.
void parse_cce_layers(JsonReader& section, ModelConfig& config);

/// The section of this model. `base_model_type` is the family's model_type.
OrderedJson cce_section(const ModelConfig& config);

/// "llama", "mistral" or "qwen2".
std::string family_model_type(Family family);

}  // namespace cce
