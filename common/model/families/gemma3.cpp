#include <array>
#include <cmath>

#include "common/model/families/part_groups.h"

namespace cce {
namespace {

void read_scales(JsonReader& config, ModelConfig& model) {
  model.embedding_scale = std::sqrt(static_cast<double>(model.hidden_size));
  const double scalar =
      config.number_or("query_pre_attn_scalar", 256.0, {.lowest = 0.0, .highest = 1e6, .above_lowest = true});
  model.score_scale = 1.0 / std::sqrt(scalar);
}

}  // namespace

/// Gemma3ForCausalLM, the text models: norms before and after each sub-block, gains that are 1 + weight, embedded
/// tokens times √d, and windows in five layers of six, which turn by a base of their own.
const Family& gemma3_text() {
  static constexpr std::array part_names = {
      PartName{TensorRole::attention_output_norm, "post_attention_layernorm.weight"},
      PartName{TensorRole::ffn_norm, "pre_feedforward_layernorm.weight"}};
  static constexpr std::array fixed_keys = {FixedKey{"use_bidirectional_attention", "false"},
                                            FixedKey{"final_logit_softcapping", "null"}};
  static constexpr Family family{
      .model_type = "gemma3_text",
      .class_name = "Gemma3ForCausalLM",
      .max_positions = 131072,
      .kv_heads = 4,
      .head_dim = 256,
      .tied_embeddings = true,
      .activation = Activation::gelu_tanh,
      .activation_key = "hidden_activation",
      .windows = {.keys = WindowKeys::by_pattern, .pattern = 6, .pattern_key = "sliding_window_pattern"},
      .ropes = {.theta = 1000000.0,
                .by_layer_type = true,
                .sliding_theta = 10000.0,
                .sliding_theta_key = "rope_local_base_freq"},
      .norms = NormPlacement::both,
      .gain_offset = 1.0,
      .optional_parts = norms_and_biases_by_key,
      .part_names = part_names,
      .fixed_keys = fixed_keys,
      .read_more = read_scales};
  return family;
}

}  // namespace cce
