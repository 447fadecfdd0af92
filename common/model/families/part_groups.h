#pragma once
#include <array>

#include "common/model/families/family.h"

namespace cce {

// Groups of optional parts that several families have.

inline constexpr std::array attention_biases = {TensorRole::q_bias, TensorRole::k_bias, TensorRole::v_bias,
                                                TensorRole::o_bias};
inline constexpr std::array ffn_biases = {TensorRole::gate_bias, TensorRole::up_bias, TensorRole::down_bias};
inline constexpr std::array query_key_norms = {TensorRole::q_norm, TensorRole::k_norm};

/// Biases by two keys of config.json.
inline constexpr std::array biases_by_key = {OptionalParts{attention_biases, "attention_bias"},
                                             OptionalParts{ffn_biases, "mlp_bias"}};
/// Norms of queries and keys always, attention's biases by their key.
inline constexpr std::array norms_and_biases_by_key = {OptionalParts{query_key_norms, nullptr},
                                                       OptionalParts{attention_biases, "attention_bias"}};

}  // namespace cce
