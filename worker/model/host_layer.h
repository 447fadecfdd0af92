#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "worker/model/layer_weights.h"
#include "worker/tensor/backend.h"

namespace cce {

/// A row-major f32 matrix in host memory.
struct HostMatrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<float> values;

  HostMatrix() = default;
  HostMatrix(std::int64_t row_count, std::int64_t col_count)
      : rows(row_count), cols(col_count), values(static_cast<std::size_t>(row_count * col_count)) {}

  bool empty() const { return values.empty(); }
  float* row(std::int64_t index) { return values.data() + index * cols; }
  const float* row(std::int64_t index) const { return values.data() + index * cols; }
  ConstMatrix view() const { return {values.data(), DType::f32, rows, cols, cols}; }
  Matrix view() { return {values.data(), DType::f32, rows, cols, cols}; }
};

/// One layer's parameters in f32 host memory, to be edited freely: the fields of LayerWeights, owned. Biases
/// and norms are 1 × n. `shape` must agree with the matrices again when the layer is packed or viewed.
using HostLayer = BasicLayerWeights<HostMatrix>;

HostMatrix& part_view(HostLayer& layer, TensorRole role);
const HostMatrix& part_view(const HostLayer& layer, TensorRole role);

/// A layer of zeros with every part that `shape` has.
HostLayer make_host_layer(const LayerShape& shape, std::int64_t hidden_size);

/// Width of the stream, read off the parts. Errors: shape_mismatch for a layer without any.
std::int64_t hidden_size_of(const LayerWeights& weights);

/// Copies host views (f32 or bf16, e.g. of a packed block) into f32.
HostLayer to_host_layer(const LayerWeights& weights);
/// The same of views in a backend's memory.
HostLayer to_host_layer(Backend& backend, const LayerWeights& weights);

/// Views of a host layer. Errors: shape_mismatch, naming the part whose size `shape` contradicts.
LayerWeights view_host_layer(const HostLayer& layer, std::int64_t hidden_size);

/// Fills a packed block (packed_layer_bytes long), rounding matrices to nearest even for bf16.
/// Errors: shape_mismatch as above or when the block is too small.
void pack_host_layer(const HostLayer& layer, std::int64_t hidden_size, DType compute_dtype,
                     std::span<std::byte> block);
/// The same for a block in a backend's memory.
void pack_host_layer(Backend& backend, const HostLayer& layer, std::int64_t hidden_size, DType compute_dtype,
                     std::span<std::byte> block);

}  // namespace cce
