#include <array>

#include "common/model/families/family.h"

namespace cce {

/// Qwen3ForCausalLM, dense: each query and key head has its own RMS norm before rotation, and heads have a
/// width of their own.
const Family& qwen3() {
  static constexpr std::array norms = {TensorRole::q_norm, TensorRole::k_norm};
  static constexpr std::array biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias,
                                        TensorRole::o_bias};
  static constexpr std::array optional_parts = {OptionalParts{norms, nullptr},
                                                OptionalParts{biases, "attention_bias"}};
  static constexpr Family family{.model_type = "qwen3",
                                 .class_name = "Qwen3ForCausalLM",
                                 .max_positions = 32768,
                                 .kv_heads = 32,
                                 .head_dim = 128,
                                 .windows = {WindowKeys::by_switch},
                                 .optional_parts = optional_parts,
                                 .gguf_architecture = "qwen3"};
  return family;
}

}  // namespace cce
