#include "common/model/families/family.h"

namespace cce {

/// MistralForCausalLM: no biases, a window in all layers.
const Family& mistral() {
  static constexpr Family family{.model_type = "mistral",
                                 .class_name = "MistralForCausalLM",
                                 .max_positions = 131072,
                                 .kv_heads = 8,
                                 .head_dim = std::nullopt,
                                 .windows = {WindowKeys::by_size},
                                 .optional_parts = {},
                                 .gguf_architecture = "llama",
                                 .gguf_pairs_are_adjacent = true,
                                 .gguf_has_pair_factors = true};
  return family;
}

}  // namespace cce
