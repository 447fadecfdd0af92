#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/model/architecture.h"
#include "common/model/model_config.h"
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
  View ffn_norm;  ///< 1 × d
  View gate, up;  ///< m × d
  View down;      ///< d × m
  View gate_bias, up_bias, down_bias;
};

using LayerWeights = BasicLayerWeights<ConstMatrix>;
/// The same layer with writable views, for filling a block.
using LayerWeightsMutable = BasicLayerWeights<Matrix>;

/// The parameters of a layer, in the order in which a packed block holds them.
std::span<const TensorRole> layer_roles();

/// Size of a part under `shape`: 0 × 0 where the shape has none (a norm exists where its sub-block does).
struct PartSize {
  std::int64_t rows = 0, cols = 0;
  bool is_matrix = false;  ///< false: a norm gain or bias, always f32
  bool empty() const { return rows == 0 || cols == 0; }
  std::int64_t elements() const { return rows * cols; }
  bool operator==(const PartSize&) const = default;
};
PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, TensorRole role);

/// The field of `weights` that holds a part.
ConstMatrix& part_view(LayerWeights& weights, TensorRole role);
const ConstMatrix& part_view(const LayerWeights& weights, TensorRole role);
Matrix& part_view(LayerWeightsMutable& weights, TensorRole role);

/// Bytes of one layer packed into a single block (every part 64-byte aligned): what a broadcast sends.
std::size_t packed_layer_bytes(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype);

/// Views into such a block. Errors: shape_mismatch when it is too small; unsupported for a dtype other than
/// f32, bf16.
LayerWeights view_packed_layer(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype,
                               std::span<const std::byte> block);
LayerWeightsMutable writable_packed_layer(const LayerShape& shape, std::int64_t hidden_size,
                                          DType compute_dtype, std::span<std::byte> block);

}  // namespace cce
