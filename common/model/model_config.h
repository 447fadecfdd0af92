#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/model/activation.h"
#include "common/model/layer_parts.h"
#include "common/model/rope_settings.h"

namespace cce {

/// A row of common/model/families: what the class of a family in transformers assumes and allows.
struct Family;
const Family& default_family();  ///< plain Llama

/// The part of config.json that decides what a checkpoint computes.
struct ModelConfig {
  const Family* family = &default_family();  ///< never nullptr; of a `custom` checkpoint, its original's
  std::string architecture;                  ///< e.g. "LlamaForCausalLM", as written in config.json
  std::int64_t hidden_size = 0;
  std::int64_t vocabulary_size = 0;
  std::int64_t max_positions = 0;
  std::int64_t head_dim = 0;  ///< of the dense head; rope frequencies derive from it
  double rms_epsilon = 1e-5;
  std::vector<RopeSettings> ropes = {RopeSettings{}};  ///< never empty; layers name theirs by index
  Activation activation = Activation::silu;
  double embedding_scale = 1.0;       ///< embedded tokens are multiplied by it
  std::optional<double> score_scale;  ///< of query · key; 1 / √head_dim where it is not set
  double residual_scale = 1.0;  ///< what a sub-block adds is multiplied by it (common/model/stored_form.h)
  double logits_divisor = 1.0;  ///< logits are divided by it (the same)
  bool tied_embeddings = false;
  std::optional<std::int64_t> bos_token, eos_token;
  std::vector<LayerShape> layers;
};

/// Reads config.json of a plain folder of any family, or of our own `custom` export, in either
/// spelling of rope_theta/rope_parameters and torch_dtype/dtype. `where` names the file in errors. Errors:
/// malformed_file, wrong_type, out_of_range, missing keys with their path; unsupported for another
/// model_type, rope type, or any key by which the family's class would compute what is not computed here.
ModelConfig parse_model_config(const std::string& json_text, const std::string& where);

/// Weights of the blocks (layer_parameters of each), with embeddings and head, and FLOPs of one token at
/// `length` (2 per multiply-add, causal attention counted at its mean length).
std::int64_t block_parameters(const ModelConfig& config);
std::int64_t total_parameters(const ModelConfig& config);
double flops_per_token(const ModelConfig& config, std::int64_t length);

}  // namespace cce
