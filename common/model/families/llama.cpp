#include <array>

#include "common/model/families/family.h"

namespace cce {

/// LlamaForCausalLM: sliding windows are never read; biases by two keys.
const Family& llama() {
  static constexpr std::array attention_biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias,
                                                  TensorRole::o_bias};
  static constexpr std::array ffn_biases = {TensorRole::gate_bias, TensorRole::up_bias,
                                            TensorRole::down_bias};
  static constexpr std::array optional_parts = {OptionalParts{attention_biases, "attention_bias"},
                                                OptionalParts{ffn_biases, "mlp_bias"}};
  static constexpr Family family{.model_type = "llama",
                                 .class_name = "LlamaForCausalLM",
                                 .max_positions = 2048,
                                 .kv_heads = std::nullopt,
                                 .head_dim = std::nullopt,
                                 .optional_parts = optional_parts,
                                 .gguf_architecture = "llama",
                                 .gguf_pairs_are_adjacent = true,
                                 .gguf_has_pair_factors = true};
  return family;
}

}  // namespace cce
