#include "common/model/families/part_groups.h"

namespace cce {

/// LlamaForCausalLM: sliding windows are never read; biases by two keys.
const Family& llama() {
  static constexpr Family family{.model_type = "llama",
                                 .class_name = "LlamaForCausalLM",
                                 .max_positions = 2048,
                                 .kv_heads = std::nullopt,
                                 .head_dim = std::nullopt,
                                 .optional_parts = biases_by_key,
                                 .gguf_architecture = "llama",
                                 .gguf_pairs_are_adjacent = true,
                                 .gguf_has_pair_factors = true};
  return family;
}

}  // namespace cce
