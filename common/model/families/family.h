#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/attention_window.h"
#include "common/model/layer_parts.h"
#include "common/model/model_config.h"
#include "common/model/rope_keys.h"

namespace cce {

/// Parts of a layer that not all families have, which are there together or not at all.
struct OptionalParts {
  std::span<const TensorRole> parts;
  /// The boolean of config.json that says whether they are there, false where it is silent. nullptr: in this
  /// family they always are.
  const char* key = nullptr;
};

/// A key of config.json that the class reads, with the only value that is computed here: JSON.
struct FixedKey {
  const char* key;
  const char* value;
};

/// What a part is called in the family's checkpoints, below "model.layers.N.".
struct PartName {
  TensorRole role;
  std::string_view tensor;
};

/// Where the norms of a sub-block stand.
enum class NormPlacement {
  before,  ///< stream ← stream + f(norm(stream))
  after,   ///< stream ← stream + norm(f(stream))
  both,
};

/// A family of decoders whose checkpoints are read, as data: what its class in transformers assumes and
/// allows. What the class would read that is not computed here is refused by its key, and what the class never
/// reads is ignored, as transformers does. A new family is a file here and its row in families.cpp;
/// what its layers compute that no other did is a part of a layer or a field of ModelConfig.
struct Family {
  std::string_view model_type;  ///< of config.json
  std::string_view class_name;  ///< of transformers: the entry of "architectures"
  // What the class assumes where config.json is silent.
  std::int64_t max_positions = 0;
  std::optional<std::int64_t> kv_heads = {};  ///< nullopt: one for each query head
  std::optional<std::int64_t> head_dim = {};  ///< nullopt: hidden_size / num_attention_heads
  double rms_epsilon = 1e-6;
  bool tied_embeddings = false;
  Activation activation = Activation::silu;
  const char* activation_key = "hidden_act";  ///< of config.json
  // What its layers look like.
  WindowRules windows = {};
  RopeRules ropes = {};
  NormPlacement norms = NormPlacement::before;
  bool norms_span_heads = false;  ///< norms of queries and keys are over all heads together
  double gain_offset = 0.0;       ///< a norm's gain is its weight in the checkpoint plus this
  std::span<const OptionalParts> optional_parts = {};
  std::span<const PartName> part_names = {};  ///< those that are not layer_parts()' own
  std::span<const FixedKey> fixed_keys = {};
  /// Reads what only this family has, after all else is read. nullptr: nothing.
  void (*read_more)(JsonReader& config, ModelConfig& model) = nullptr;
  /// Says it in the config.json of a plain result. nullptr: the original's keys say it still.
  void (*write_more)(const ModelConfig& model, OrderedJson& config) = nullptr;
  /// What llama.cpp calls the architecture in a GGUF file. Empty: none of its architectures is written here.
  std::string_view gguf_architecture = {};
  /// Its rotary pairs lie side by side there, where ours are half a head apart.
  bool gguf_pairs_are_adjacent = false;
  /// It reads a factor for each rotary pair there, which is how Llama 3's scaling is stored.
  bool gguf_has_pair_factors = false;
};

/// All of them, plain Llama first. They live as long as the program: a family is known by its address.
std::span<const Family* const> families();

/// nullptr where there is none of this model_type.
const Family* find_family(std::string_view model_type);

/// "llama", "mistral", ...
std::vector<std::string> family_names();

/// Gives a dense layer the optional parts that config.json says it has.
void read_optional_parts(const Family& family, JsonReader& config, LayerShape& shape);

/// Says in config.json which of them the layers have; `shape` is one that find_misplaced_parts passes.
void write_optional_parts(const Family& family, const LayerShape& shape, OrderedJson& config);

/// How a layer's optional parts differ from what the family's class can hold; nullopt where they do not.
struct MisplacedParts {
  std::string found, expected;
};
std::optional<MisplacedParts> find_misplaced_parts(const Family& family, const LayerShape& shape);

}  // namespace cce
