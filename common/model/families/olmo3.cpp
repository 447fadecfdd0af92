#include <array>

#include "common/model/families/family.h"

namespace cce {

/// Olmo3ForCausalLM: OLMo 2 with windows in three layers of four.
const Family& olmo3() {
  static constexpr std::array norms = {TensorRole::q_norm, TensorRole::k_norm};
  static constexpr std::array biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias,
                                        TensorRole::o_bias};
  static constexpr std::array optional_parts = {OptionalParts{norms, nullptr},
                                                OptionalParts{biases, "attention_bias"}};
  static constexpr std::array part_names = {
      PartName{TensorRole::attention_output_norm, "post_attention_layernorm.weight"}};
  static constexpr Family family{.model_type = "olmo3",
                                 .class_name = "Olmo3ForCausalLM",
                                 .max_positions = 2048,
                                 .rms_epsilon = 1e-5,
                                 .windows = {.keys = WindowKeys::by_pattern, .pattern = 4},
                                 .ropes = {.theta = 500000.0, .by_layer_type = true},
                                 .norms = NormPlacement::after,
                                 .norms_span_heads = true,
                                 .optional_parts = optional_parts,
                                 .part_names = part_names};
  return family;
}

}  // namespace cce
