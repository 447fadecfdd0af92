#include "worker/model/layer_weights.h"

#include <array>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/model/layer_part_member.h"

namespace cce {
namespace {

constexpr std::size_t alignment_bytes = 64;

constexpr std::array<TensorRole, 16> part_order = {TensorRole::attention_norm,
                                                   TensorRole::q,
                                                   TensorRole::k,
                                                   TensorRole::v,
                                                   TensorRole::o,
                                                   TensorRole::q_bias,
                                                   TensorRole::k_bias,
                                                   TensorRole::v_bias,
                                                   TensorRole::o_bias,
                                                   TensorRole::ffn_norm,
                                                   TensorRole::gate,
                                                   TensorRole::up,
                                                   TensorRole::down,
                                                   TensorRole::gate_bias,
                                                   TensorRole::up_bias,
                                                   TensorRole::down_bias};

std::size_t part_bytes(const PartSize& size, DType compute_dtype) {
  const std::size_t element = size.is_matrix ? size_in_bytes(compute_dtype) : size_in_bytes(DType::f32);
  const std::size_t bytes = static_cast<std::size_t>(size.elements()) * element;
  return (bytes + alignment_bytes - 1) / alignment_bytes * alignment_bytes;
}

template <typename View, typename Byte>
BasicLayerWeights<View> view_block(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype,
                                   std::span<Byte> block) {
  const std::size_t needed = packed_layer_bytes(shape, hidden_size, compute_dtype);
  if (block.size() < needed) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "packed layer",
                .found = std::to_string(block.size()) + " bytes",
                .expected = std::to_string(needed) + " bytes",
                .remedy = {}};
  }
  BasicLayerWeights<View> weights;
  weights.shape = shape;
  std::size_t offset = 0;
  for (const TensorRole role : part_order) {
    const PartSize size = part_size(shape, hidden_size, role);
    if (size.empty()) continue;
    weights.*member_of<View>(role) = View{block.data() + offset, size.is_matrix ? compute_dtype : DType::f32,
                                          size.rows, size.cols, size.cols};
    offset += part_bytes(size, compute_dtype);
  }
  return weights;
}

}  // namespace

std::span<const TensorRole> layer_roles() {
  return part_order;
}

PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, TensorRole role) {
  const std::int64_t queries = shape.query_heads() * shape.qk_dim;
  const std::int64_t keys = shape.kv_groups * shape.qk_dim;
  const std::int64_t values = shape.kv_groups * shape.vo_dim;
  const std::int64_t outputs = shape.query_heads() * shape.vo_dim;
  const auto matrix = [](bool there, std::int64_t rows, std::int64_t cols) {
    return there ? PartSize{rows, cols, true} : PartSize{};
  };
  const auto vector = [](bool there, std::int64_t length) {
    return there ? PartSize{1, length, false} : PartSize{};
  };
  const bool attention = shape.has_attention, ffn = shape.has_ffn;
  switch (role) {
    case TensorRole::attention_norm:
      return vector(attention, hidden_size);
    case TensorRole::q:
      return matrix(attention, queries, hidden_size);
    case TensorRole::k:
      return matrix(attention, keys, hidden_size);
    case TensorRole::v:
      return matrix(attention, values, hidden_size);
    case TensorRole::o:
      return matrix(attention, hidden_size, outputs);
    case TensorRole::q_bias:
      return vector(attention && shape.q_bias, queries);
    case TensorRole::k_bias:
      return vector(attention && shape.k_bias, keys);
    case TensorRole::v_bias:
      return vector(attention && shape.v_bias, values);
    case TensorRole::o_bias:
      return vector(attention && shape.o_bias, hidden_size);
    case TensorRole::ffn_norm:
      return vector(ffn, hidden_size);
    case TensorRole::gate:
      return matrix(ffn, shape.ffn_width, hidden_size);
    case TensorRole::up:
      return matrix(ffn, shape.ffn_width, hidden_size);
    case TensorRole::down:
      return matrix(ffn, hidden_size, shape.ffn_width);
    case TensorRole::gate_bias:
      return vector(ffn && shape.gate_bias, shape.ffn_width);
    case TensorRole::up_bias:
      return vector(ffn && shape.up_bias, shape.ffn_width);
    case TensorRole::down_bias:
      return vector(ffn && shape.down_bias, hidden_size);
    case TensorRole::embedding:
    case TensorRole::final_norm:
    case TensorRole::head:
      break;
  }
  return {};
}

ConstMatrix& part_view(LayerWeights& weights, TensorRole role) {
  return weights.*member_of<ConstMatrix>(role);
}
const ConstMatrix& part_view(const LayerWeights& weights, TensorRole role) {
  return weights.*member_of<ConstMatrix>(role);
}
Matrix& part_view(LayerWeightsMutable& weights, TensorRole role) {
  return weights.*member_of<Matrix>(role);
}

std::size_t packed_layer_bytes(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype) {
  if (compute_dtype != DType::f32 && compute_dtype != DType::bf16) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "packed layer",
                .found = "a compute dtype other than f32 or bf16",
                .expected = "f32 or bf16",
                .remedy = {}};
  }
  std::size_t bytes = 0;
  for (const TensorRole role : part_order) {
    bytes += part_bytes(part_size(shape, hidden_size, role), compute_dtype);
  }
  return bytes;
}

LayerWeights view_packed_layer(const LayerShape& shape, std::int64_t hidden_size, DType compute_dtype,
                               std::span<const std::byte> block) {
  return view_block<ConstMatrix>(shape, hidden_size, compute_dtype, block);
}

LayerWeightsMutable writable_packed_layer(const LayerShape& shape, std::int64_t hidden_size,
                                          DType compute_dtype, std::span<std::byte> block) {
  return view_block<Matrix>(shape, hidden_size, compute_dtype, block);
}

}  // namespace cce
