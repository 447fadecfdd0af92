#pragma once
#include <cstdint>
#include <ranges>
#include <span>
#include <string_view>

#include "common/model/layer_shape.h"
#include "common/model/sub_block.h"

namespace cce {

/// What a tensor of the checkpoint is for. Matrices are stored out × in, as PyTorch's Linear does.
enum class TensorRole {
  embedding,       ///< vocabulary × hidden
  attention_norm,  ///< before the attention
  q,
  k,
  v,
  o,
  q_bias,
  k_bias,
  v_bias,
  o_bias,
  q_norm,
  k_norm,
  attention_output_norm,  ///< of what the attention adds
  ffn_norm,               ///< before the FFN
  gate,
  up,
  down,
  gate_bias,
  up_bias,
  down_bias,
  ffn_output_norm,  ///< of what the FFN adds
  final_norm,       ///< hidden
  head,             ///< vocabulary × hidden; absent where embeddings are tied
};

enum class PartKind {
  gain,    ///< of a norm: a vector, always f32 in memory, kept out of parameter counts
  matrix,  ///< out × in, in the compute dtype
  bias,    ///< a vector, always f32 in memory
};

/// What the rows or columns of a part stand for, and so what a plan cuts them by. The rows of `queries` and
/// `keys` are heads of rotary pairs: pair j is dims j and j + qk_dim / 2 of its head. (A format that wants
/// the two side by side permutes exactly these.)
enum class Extent {
  one,
  hidden,      ///< d: the stream, never cut
  queries,     ///< query heads · qk_dim
  keys,        ///< KV groups · qk_dim
  values,      ///< KV groups · vo_dim
  outputs,     ///< query heads · vo_dim
  neurons,     ///< FFN width
  query_norm,  ///< qk_dim, shared by all query heads, or all of them; never cut
  key_norm,    ///< the same of key heads
};

/// One parameter tensor of a layer. All that is known of it stands in its row of layer_parts(): packing,
/// counting, checking, cutting, reading, writing and the `cce` section of config.json follow the rows.
struct LayerPart {
  TensorRole role;
  std::string_view name;    ///< "q_bias": in messages, reports and the `cce` section
  std::string_view tensor;  ///< in most checkpoints, below "model.layers.N."; a family may name it otherwise
  SubBlock sub_block;
  PartKind kind;
  Extent rows, cols;
  bool LayerShape::*is_there;  ///< nullptr: wherever the sub-block is
  /// In all layers of a model or in none, whatever is compressed: what the family's layers look like.
  bool is_of_family = false;
};

/// The parts in the order in which they are packed and written: norms first within each sub-block.
std::span<const LayerPart> layer_parts();
inline auto layer_roles() {
  return layer_parts() | std::views::transform(&LayerPart::role);
}

/// The row of a part. Errors: invalid_argument for a tensor outside the layers.
const LayerPart& layer_part(TensorRole role);

bool has_sub_block(const LayerShape& shape, SubBlock kind);
bool has_part(const LayerShape& shape, const LayerPart& part);

std::int64_t width_of(const LayerShape& shape, std::int64_t hidden_size, Extent extent);

/// Size of a part: 0 × 0 where the shape has none; a vector is 1 × n.
struct PartSize {
  std::int64_t rows = 0, cols = 0;
  bool is_matrix = false;  ///< false: a norm gain or bias, always f32
  bool empty() const { return rows == 0 || cols == 0; }
  std::int64_t elements() const { return rows * cols; }
  bool operator==(const PartSize&) const = default;
};
PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, const LayerPart& part);
PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, TensorRole role);

/// Takes a sub-block and the parts that are optional in it out of a shape.
void remove_sub_block(LayerShape& shape, SubBlock kind);

/// Numbers in a layer's matrices and biases; norm gains are not counted.
std::int64_t layer_parameters(const LayerShape& shape, std::int64_t hidden_size);
/// Numbers in its matrices alone: multiply-adds of one token.
std::int64_t matrix_parameters(const LayerShape& shape, std::int64_t hidden_size);

}  // namespace cce
