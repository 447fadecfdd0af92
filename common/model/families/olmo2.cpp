#include <array>

#include "common/model/families/part_groups.h"

namespace cce {

/// Olmo2ForCausalLM: norms of what a sub-block adds alone, and of all queries or keys of a token together.
const Family& olmo2() {
  static constexpr std::array part_names = {
      PartName{TensorRole::attention_output_norm, "post_attention_layernorm.weight"}};
  static constexpr Family family{.model_type = "olmo2",
                                 .class_name = "Olmo2ForCausalLM",
                                 .max_positions = 2048,
                                 .rms_epsilon = 1e-5,
                                 .norms = NormPlacement::after,
                                 .norms_span_heads = true,
                                 .optional_parts = norms_and_biases_by_key,
                                 .part_names = part_names};
  return family;
}

}  // namespace cce
