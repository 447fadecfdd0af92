#include "worker/model/host_layer.h"

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "worker/tensor/host_access.h"

namespace cce {
namespace {

HostMatrix to_host_matrix(ConstMatrix source) {
  HostMatrix result(source.rows, source.cols);
  for (std::int64_t row = 0; row < source.rows; ++row) {
    if (source.dtype == DType::f32) {
      std::copy_n(source.as<float>() + row * source.stride, source.cols, result.row(row));
    } else if (source.dtype == DType::bf16) {
      const BFloat16* from = source.as<BFloat16>() + row * source.stride;
      std::transform(from, from + source.cols, result.row(row),
                     [](BFloat16 value) { return to_float(value); });
    } else {
      throw Error{.code = ErrorCode::unsupported,
                  .where = "host layer",
                  .found = "weights in " + std::string(name(source.dtype)),
                  .expected = "f32 or bf16",
                  .remedy = {}};
    }
  }
  return result;
}

std::string size_text(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + " × " + std::to_string(cols);
}

}  // namespace

HostMatrix& part_view(HostLayer& layer, TensorRole role) {
  return layer.*member_of<HostMatrix>(role);
}
const HostMatrix& part_view(const HostLayer& layer, TensorRole role) {
  return layer.*member_of<HostMatrix>(role);
}

HostLayer make_host_layer(const LayerShape& shape, std::int64_t hidden_size) {
  HostLayer layer;
  layer.shape = shape;
  for (const TensorRole role : layer_roles()) {
    const PartSize size = part_size(shape, hidden_size, role);
    if (!size.empty()) part_view(layer, role) = HostMatrix(size.rows, size.cols);
  }
  return layer;
}

std::int64_t hidden_size_of(const LayerWeights& weights) {
  if (!weights.q.empty()) return weights.q.cols;
  if (!weights.gate.empty()) return weights.gate.cols;
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = "layer",
              .found = "neither attention nor FFN",
              .expected = {},
              .remedy = {}};
}

HostLayer to_host_layer(const LayerWeights& weights) {
  HostLayer layer;
  layer.shape = weights.shape;
  for (const TensorRole role : layer_roles()) {
    const ConstMatrix& source = part_view(weights, role);
    if (!source.empty()) part_view(layer, role) = to_host_matrix(source);
  }
  return layer;
}

HostLayer to_host_layer(Backend& backend, const LayerWeights& weights) {
  HostLayer layer;
  layer.shape = weights.shape;
  for (const TensorRole role : layer_roles()) {
    const ConstMatrix& source = part_view(weights, role);
    if (!source.empty()) part_view(layer, role) = to_host_matrix(HostRead(backend, source).view());
  }
  return layer;
}

LayerWeights view_host_layer(const HostLayer& layer, std::int64_t hidden_size) {
  LayerWeights weights;
  weights.shape = layer.shape;
  for (const TensorRole role : layer_roles()) {
    const PartSize size = part_size(layer.shape, hidden_size, role);
    const HostMatrix& matrix = part_view(layer, role);
    if (matrix.rows != size.rows || matrix.cols != size.cols) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = role_name(role),
                  .found = size_text(matrix.rows, matrix.cols),
                  .expected = size_text(size.rows, size.cols),
                  .remedy = {}};
    }
    if (!size.empty()) part_view(weights, role) = matrix.view();
  }
  return weights;
}

void pack_host_layer(const HostLayer& layer, std::int64_t hidden_size, DType compute_dtype,
                     std::span<std::byte> block) {
  const LayerWeights source = view_host_layer(layer, hidden_size);
  LayerWeightsMutable packed = writable_packed_layer(layer.shape, hidden_size, compute_dtype, block);
  for (const TensorRole role : layer_roles()) {
    const ConstMatrix& from = part_view(source, role);
    const Matrix& to = part_view(packed, role);
    const std::int64_t count = from.rows * from.cols;
    if (count == 0) continue;
    if (to.dtype == DType::f32) {
      std::copy_n(from.as<float>(), count, to.as<float>());
    } else {
      std::transform(from.as<float>(), from.as<float>() + count, to.as<BFloat16>(), to_bfloat16);
    }
  }
}

void pack_host_layer(Backend& backend, const HostLayer& layer, std::int64_t hidden_size, DType compute_dtype,
                     std::span<std::byte> block) {
  HostEdit host(backend, bytes_view(block.first(packed_layer_bytes(layer.shape, hidden_size, compute_dtype))),
                HostEdit::Start::uninitialised);
  pack_host_layer(layer, hidden_size, compute_dtype, {host.view().as<std::byte>(), block.size()});
  host.write_back();
}

}  // namespace cce
