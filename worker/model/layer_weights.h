#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "common/model/architecture.h"
#include "worker/tensor/matrix.h"

namespace cce {

/// Views of one layer's parameters. Matrices are stored as in the checkpoint, out × in, in the compute dtype
/// (f32 or bf16); norm gains and biases are f32, 1 × n, empty where the shape has none.
template <typename View>
struct BasicLayerWeights {
  LayerShape shape;
  View attention_norm;  ///< 1 × d
  View q, k, v;         ///< (H qk_dim) × d, (G qk_dim) × d, (G vo_dim) × d
  View o;               ///< d × (H vo_dim)
  View q_bias, k_bias, v_bias, o_bias;
  View q_norm, k_norm;         ///< 1 × qk_dim, or 1 × all heads where norms span them
  View attention_output_norm;  ///< 1 × d, of what the attention adds
  View ffn_norm;               ///< 1 × d
  View gate, up;               ///< m × d
  View down;                   ///< d × m
  View gate_bias, up_bias, down_bias;
  View ffn_output_norm;  ///< 1 × d, of what the FFN adds
};

[[noreturn]] void refuse_part(TensorRole role);

/// The field that holds a part. Errors: invalid_argument for a tensor outside the layers.
template <typename View>
View BasicLayerWeights<View>::*member_of(TensorRole role) {
  using Weights = BasicLayerWeights<View>;
  static constexpr std::pair<TensorRole, View Weights::*> members[] = {
      {TensorRole::attention_norm, &Weights::attention_norm},
      {TensorRole::q, &Weights::q},
      {TensorRole::k, &Weights::k},
      {TensorRole::v, &Weights::v},
      {TensorRole::o, &Weights::o},
      {TensorRole::q_bias, &Weights::q_bias},
      {TensorRole::k_bias, &Weights::k_bias},
      {TensorRole::v_bias, &Weights::v_bias},
      {TensorRole::o_bias, &Weights::o_bias},
      {TensorRole::q_norm, &Weights::q_norm},
      {TensorRole::k_norm, &Weights::k_norm},
      {TensorRole::attention_output_norm, &Weights::attention_output_norm},
      {TensorRole::ffn_norm, &Weights::ffn_norm},
      {TensorRole::gate, &Weights::gate},
      {TensorRole::up, &Weights::up},
      {TensorRole::down, &Weights::down},
      {TensorRole::gate_bias, &Weights::gate_bias},
      {TensorRole::up_bias, &Weights::up_bias},
      {TensorRole::down_bias, &Weights::down_bias},
      {TensorRole::ffn_output_norm, &Weights::ffn_output_norm},
  };
  for (const auto& [known, member] : members) {
    if (known == role) return member;
  }
  refuse_part(role);
}

using LayerWeights = BasicLayerWeights<ConstMatrix>;
/// The same layer with writable views, for filling a block.
using LayerWeightsMutable = BasicLayerWeights<Matrix>;

/// The field of `weights` that holds a part.
ConstMatrix& part_view(LayerWeights& weights, TensorRole role);
const ConstMatrix& part_view(const LayerWeights& weights, TensorRole role);
Matrix& part_view(LayerWeightsMutable& weights, TensorRole role);

/// What embedded tokens are multiplied by, as transformers rounds it: to the embedding's dtype.
float embedding_scale(const ModelConfig& config, DType dtype);

/// A sub-block's output matrix, its bias and the norm of what it adds; empty where the layer has none.
inline ConstMatrix output_of(const LayerWeights& weights, SubBlock kind) {
  return kind == SubBlock::attention ? weights.o : weights.down;
}
inline ConstMatrix output_bias_of(const LayerWeights& weights, SubBlock kind) {
  return kind == SubBlock::attention ? weights.o_bias : weights.down_bias;
}
inline ConstMatrix output_norm_of(const LayerWeights& weights, SubBlock kind) {
  return kind == SubBlock::attention ? weights.attention_output_norm : weights.ffn_output_norm;
}

/// Bytes of one layer packed into a single block (every part 64-byte aligned): what a broadcast sends.
std::size_t packed_layer_bytes(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype);

/// Views into such a block. Errors: shape_mismatch when it is too small; unsupported for a dtype other than
/// f32, bf16.
LayerWeights view_packed_layer(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype,
                               std::span<const std::byte> block);
LayerWeightsMutable writable_packed_layer(const LayerShape& shape, std::int64_t hidden_size,
                                          DType compute_dtype, std::span<std::byte> block);

}  // namespace cce
