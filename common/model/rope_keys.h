#pragma once
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/model_config.h"

namespace cce {

/// Which program reads the rotary keys of a config.json: the class of a family, or modeling_cce.py.
enum class RopeReader { family, modeling_file };

/// What a family's class assumes of rotary positions.
struct RopeRules {
  double theta = 10000.0;      ///< where config.json is silent
  bool by_layer_type = false;  ///< sections for "full_attention" and "sliding_attention" layers
  double sliding_theta =
      0.0;  ///< of the latter, where the key and the section are silent; 0: theta's own rule
  const char* sliding_theta_key = nullptr;
};

/// Fills in config.ropes; max_positions and head_dim are already known. As transformers 5.24 does:
///   1. one section acts: rope_scaling (older spelling) before rope_parameters (newer); modeling_cce.py asks
///      in the other order. An empty section is none.
///   2. theta: the section's, else the key rope_theta, else what the rules say
///   3. original_max_position_embeddings of yarn, longrope and llama3: the key outside the section before the
///      one in it, else max_position_embeddings; modeling_cce.py has the one in the section alone
///   4. a null `factor` of yarn, and one that longrope lacks: max_position_embeddings / the original
///   5. attention_factor where it is absent: (1 + 0.1 m ln factor) of yarn, m = 1, or with m = mscale over m =
///      mscale_all_dim where both are there; √(1 + ln factor / ln original) of longrope
/// Where layers differ by type, ropes[0] is that of full attention (rope_scaling acts on it alone) and ropes[1] that of
/// sliding layers.
/// Errors: unsupported for other scalings, a partial rotary factor, and sections by layer type in classes that
/// have none; wrong_type, out_of_range.
void read_ropes(JsonReader& reader, RopeReader from, const RopeRules& rules, ModelConfig& config);

/// Makes a config.json that a class with `rules` (from family) or modeling_cce.py has read mean `config` to the other of
/// the two; ropes after the first are left to the format's section. What means it already stays as it is.
void write_ropes(OrderedJson& document, RopeReader from, RopeReader to, const RopeRules& rules,
                 const ModelConfig& config);

/// Rotary settings as one section, rope_type and all; and back, where nothing else is asked.
OrderedJson rope_section(const RopeSettings& rope);
RopeSettings read_rope_section(JsonReader section, const ModelConfig& config);

}  // namespace cce
