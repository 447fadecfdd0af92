#pragma once
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/model_config.h"

namespace cce {

/// Which program reads the rotary keys of a config.json: the class of a family, or modeling_cce.py.
enum class RopeReader { family, modeling_file };

/// Fills in config.rope; max_positions and head_dim are already known. As transformers 5.24 does:
///   1. one section acts: rope_scaling (older spelling) before rope_parameters (newer); modeling_cce.py asks
///      in the other order. An empty section is none.
///   2. theta: the section's, else the key rope_theta, else 10000
///   3. original_max_position_embeddings of yarn, longrope and llama3: the key outside the section before the
///      one in it, else max_position_embeddings; modeling_cce.py has the one in the section alone
///   4. a null `factor` of yarn, and one that longrope lacks: max_position_embeddings / the original
///   5. attention_factor where it is absent: (1 + 0.1 m ln factor) of yarn, m = 1, or with m = mscale over m =
///      mscale_all_dim where both are there; √(1 + ln factor / ln original) of longrope
/// Errors: unsupported for other scalings, a partial rotary factor and sections by layer type; wrong_type,
/// out_of_range.
void read_rope(JsonReader& reader, RopeReader from, ModelConfig& config);

/// Makes a config.json that `from` has read mean `config` to `to`. What means it already stays as it is.
void write_rope(OrderedJson& document, RopeReader from, RopeReader to, const ModelConfig& config);

}  // namespace cce
