#include "worker/model/layer_weights.h"

#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t alignment_bytes = 64;

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
  for (const LayerPart& part : layer_parts()) {
    const PartSize size = part_size(shape, hidden_size, part);
    if (size.empty()) continue;
    weights.*member_of<View>(part.role) = View{
        block.data() + offset, size.is_matrix ? compute_dtype : DType::f32, size.rows, size.cols, size.cols};
    offset += part_bytes(size, compute_dtype);
  }
  return weights;
}

}  // namespace

void refuse_part(TensorRole role) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "layer part",
              .found = role_name(role),
              .expected = "a part of a layer",
              .remedy = {}};
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

float embedding_scale(const ModelConfig& config, DType dtype) {
  const auto scale = static_cast<float>(config.embedding_scale);
  return dtype == DType::bf16 ? to_float(to_bfloat16(scale)) : scale;
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
  for (const LayerPart& part : layer_parts()) {
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
