#include "common/model/families/part_groups.h"

namespace cce {

/// Qwen3ForCausalLM, dense: each query and key head has its own RMS norm before rotation, and heads have a
/// width of their own.
const Family& qwen3() {
  static constexpr Family family{.model_type = "qwen3",
                                 .class_name = "Qwen3ForCausalLM",
                                 .max_positions = 32768,
                                 .kv_heads = 32,
                                 .head_dim = 128,
                                 .windows = {WindowKeys::by_switch},
                                 .optional_parts = norms_and_biases_by_key,
                                 .gguf_architecture = "qwen3"};
  return family;
}

}  // namespace cce
