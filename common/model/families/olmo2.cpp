#include <array>

#include "common/model/families/family.h"

namespace cce {

/// Olmo2ForCausalLM: norms of what a sub-block adds alone, and of all queries or keys of a token together.
const Family& olmo2() {
  static constexpr std::array norms = {TensorRole::q_norm, TensorRole::k_norm};
  static constexpr std::array biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias,
                                        TensorRole::o_bias};
  static constexpr std::array optional_parts = {OptionalParts{norms, nullptr},
                                                OptionalParts{biases, "attention_bias"}};
  static constexpr std::array part_names = {
      PartName{TensorRole::attention_output_norm, "post_attention_layernorm.weight"}};
  static constexpr Family family{.model_type = "olmo2",
                                 .class_name = "Olmo2ForCausalLM",
                                 .max_positions = 2048,
                                 .rms_epsilon = 1e-5,
                                 .norms = NormPlacement::after,
                                 .norms_span_heads = true,
                                 .optional_parts = optional_parts,
                                 .part_names = part_names};
  return family;
}

}  // namespace cce
