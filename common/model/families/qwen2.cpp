#include <array>

#include "common/model/families/family.h"

namespace cce {

/// Qwen2ForCausalLM (Qwen2, Qwen2.5): biases on queries, keys and values.
const Family& qwen2() {
  static constexpr std::array biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias};
  static constexpr std::array optional_parts = {OptionalParts{biases, nullptr}};
  static constexpr Family family{.model_type = "qwen2",
                                 .class_name = "Qwen2ForCausalLM",
                                 .max_positions = 32768,
                                 .kv_heads = 32,
                                 .head_dim = std::nullopt,
                                 .windows = {WindowKeys::by_switch},
                                 .optional_parts = optional_parts,
                                 .gguf_architecture = "qwen2"};
  return family;
}

}  // namespace cce
