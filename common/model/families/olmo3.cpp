#include <array>

#include "common/model/families/part_groups.h"

namespace cce {

/// Olmo3ForCausalLM: OLMo 2 with windows in three layers of four.
const Family& olmo3() {
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
                                 .optional_parts = norms_and_biases_by_key,
                                 .part_names = part_names};
  return family;
}

}  // namespace cce
