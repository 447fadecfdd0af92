#include "worker/model/layer_weights.h"

#include <string>
#include <utility>

#include "common/error.h"
#include "worker/model/layer_part_member.h"

namespace cce {
namespace {

constexpr std::size_t alignment_bytes = 64;

constexpr std::array<LayerPart, layer_part_count> part_order = {LayerPart::attention_norm,
                                                                LayerPart::q,
                                                                LayerPart::k,
                                                                LayerPart::v,
                                                                LayerPart::o,
                                                                LayerPart::q_bias,
                                                                LayerPart::k_bias,
                                                                LayerPart::v_bias,
                                                                LayerPart::o_bias,
                                                                LayerPart::ffn_norm,
                                                                LayerPart::gate,
                                                                LayerPart::up,
                                                                LayerPart::down,
                                                                LayerPart::gate_bias,
                                                                LayerPart::up_bias,
                                                                LayerPart::down_bias};

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
  for (const LayerPart part : part_order) {
    const PartSize size = part_size(shape, hidden_size, part);
    if (size.empty()) continue;
    weights.*member_of<View>(part) = View{block.data() + offset, size.is_matrix ? compute_dtype : DType::f32,
                                          size.rows, size.cols, size.cols};
    offset += part_bytes(size, compute_dtype);
  }
  return weights;
}

}  // namespace

std::span<const LayerPart> all_layer_parts() {
  return part_order;
}

PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, LayerPart part) {
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
  switch (part) {
    case LayerPart::attention_norm:
      return vector(attention, hidden_size);
    case LayerPart::q:
      return matrix(attention, queries, hidden_size);
    case LayerPart::k:
      return matrix(attention, keys, hidden_size);
    case LayerPart::v:
      return matrix(attention, values, hidden_size);
    case LayerPart::o:
      return matrix(attention, hidden_size, outputs);
    case LayerPart::q_bias:
      return vector(attention && shape.q_bias, queries);
    case LayerPart::k_bias:
      return vector(attention && shape.k_bias, keys);
    case LayerPart::v_bias:
      return vector(attention && shape.v_bias, values);
    case LayerPart::o_bias:
      return vector(attention && shape.o_bias, hidden_size);
    case LayerPart::ffn_norm:
      return vector(ffn, hidden_size);
    case LayerPart::gate:
      return matrix(ffn, shape.ffn_width, hidden_size);
    case LayerPart::up:
      return matrix(ffn, shape.ffn_width, hidden_size);
    case LayerPart::down:
      return matrix(ffn, hidden_size, shape.ffn_width);
    case LayerPart::gate_bias:
      return vector(ffn && shape.gate_bias, shape.ffn_width);
    case LayerPart::up_bias:
      return vector(ffn && shape.up_bias, shape.ffn_width);
    case LayerPart::down_bias:
      return vector(ffn && shape.down_bias, hidden_size);
  }
  return {};
}

std::string_view part_tensor_name(LayerPart part) {
  switch (part) {
    case LayerPart::attention_norm:
      return "input_layernorm.weight";
    case LayerPart::q:
      return "self_attn.q_proj.weight";
    case LayerPart::k:
      return "self_attn.k_proj.weight";
    case LayerPart::v:
      return "self_attn.v_proj.weight";
    case LayerPart::o:
      return "self_attn.o_proj.weight";
    case LayerPart::q_bias:
      return "self_attn.q_proj.bias";
    case LayerPart::k_bias:
      return "self_attn.k_proj.bias";
    case LayerPart::v_bias:
      return "self_attn.v_proj.bias";
    case LayerPart::o_bias:
      return "self_attn.o_proj.bias";
    case LayerPart::ffn_norm:
      return "post_attention_layernorm.weight";
    case LayerPart::gate:
      return "mlp.gate_proj.weight";
    case LayerPart::up:
      return "mlp.up_proj.weight";
    case LayerPart::down:
      return "mlp.down_proj.weight";
    case LayerPart::gate_bias:
      return "mlp.gate_proj.bias";
    case LayerPart::up_bias:
      return "mlp.up_proj.bias";
    case LayerPart::down_bias:
      return "mlp.down_proj.bias";
  }
  return {};
}

ConstMatrix& part_view(LayerWeights& weights, LayerPart part) {
  return weights.*member_of<ConstMatrix>(part);
}
const ConstMatrix& part_view(const LayerWeights& weights, LayerPart part) {
  return weights.*member_of<ConstMatrix>(part);
}
Matrix& part_view(LayerWeightsMutable& weights, LayerPart part) {
  return weights.*member_of<Matrix>(part);
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
  for (const LayerPart part : part_order) {
    bytes += part_bytes(part_size(shape, hidden_size, part), compute_dtype);
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
