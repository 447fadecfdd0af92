#pragma once
#include <cstddef>
#include <span>

#include "common/model_config.h"
#include "worker/tensor/matrix.h"

namespace cce {

/// Views of one layer's parameters. Matrices are stored as in the checkpoint, out × in, in the compute dtype (f32 or
/// bf16); norm gains and biases are f32, 1 × n, empty where the shape has none.
struct LayerWeights {
  LayerShape shape;
  ConstMatrix attention_norm;  ///< 1 × d
  ConstMatrix q, k, v;         ///< (H qk_dim) × d, (G qk_dim) × d, (G vo_dim) × d
  ConstMatrix o;               ///< d × (H vo_dim)
  ConstMatrix q_bias, k_bias, v_bias, o_bias;
  ConstMatrix ffn_norm;        ///< 1 × d
  ConstMatrix gate, up;        ///< m × d
  ConstMatrix down;            ///< d × m
  ConstMatrix gate_bias, up_bias, down_bias;
};

/// Bytes of one layer packed into a single block (every matrix 64-byte aligned): what a broadcast sends.
std::size_t packed_layer_bytes(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype);

/// Views into such a block. Errors: shape_mismatch when it is too small.
LayerWeights view_packed_layer(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype,
                               std::span<const std::byte> block);

/// The same layer with writable views, for filling a block. Matrices are `const_cast` nowhere else.
struct LayerWeightsMutable;

}  // namespace cce
