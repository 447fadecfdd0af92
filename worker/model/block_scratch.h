#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "worker/model/block.h"
#include "worker/model/rope_table.h"
#include "worker/tensor/ops.h"

namespace cce {

/// Memory that BlockRunner reuses from call to call: one buffer per purpose, grown when a larger view is
/// asked for.
struct BlockRunner::Scratch {
  enum Slot : std::uint8_t {
    normalised_stream,
    heads,
    plain_queries,  ///< f32, before their norm
    plain_keys,
    units,
    log_sum_exp,
    d_stream_compute,
    d_features,
    d_heads,
    d_units,
    d_normed_heads,  ///< f32, of one of queries and keys
    d_plain_heads,
    d_normalised,
    attention_output,  ///< features of the two sub-blocks, where the caller does not want them
    ffn_output,
    middle_stream,
    output,  ///< f32, of a sub-block before its norm, and the gradient there
    d_output,
    slot_count
  };

  Scratch(Backend& backend, const ModelConfig& config) : rope(backend, config), backend_(backend) {}

  /// An uninitialised rows × cols view of `slot`; earlier views of that slot are void.
  Matrix view(Slot slot, DType dtype, std::int64_t rows, std::int64_t cols) {
    const std::size_t bytes =
        static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols) * size_in_bytes(dtype);
    Buffer& buffer = buffers_[slot];
    if (buffer.bytes() < bytes) {
      buffer = Buffer{};  // freed first, so that old and new never live together
      buffer = backend_.allocate(bytes);
    }
    return {buffer.data(), dtype, rows, cols, cols};
  }

  /// The gradient at the stream as products of another dtype take it.
  ConstMatrix in_dtype(ConstMatrix gradient, DType dtype) {
    if (gradient.dtype == dtype) return gradient;
    const Matrix converted = view(d_stream_compute, dtype, gradient.rows, gradient.cols);
    ops::convert(backend_, gradient, converted);
    return converted;
  }

  RopeTables rope;
  std::vector<std::byte> host_q, host_d_q;  ///< of sum_pair_products, as host_products
  std::vector<float> host_products;

 private:
  Backend& backend_;
  std::array<Buffer, slot_count> buffers_;
};

/// A matrix of heads side by side, without gaps between its rows, as one row a head.
template <typename View>
View by_head(View heads, std::int64_t width) {
  return {heads.data, heads.dtype, heads.rows * heads.cols / width, width, width};
}

/// One view over matrices that lie back to back in memory, row after row; empty where they do not. Lets one
/// product do the work of several.
template <typename View>
View stacked_views(std::initializer_list<View> parts) {
  View whole;
  for (const View& part : parts) {
    if (part.stride != part.cols) return {};
    if (whole.data == nullptr) {
      whole = part;
      continue;
    }
    const auto* end = static_cast<const std::byte*>(whole.data) +
                      static_cast<std::size_t>(whole.rows * whole.stride) * size_in_bytes(whole.dtype);
    if (end != part.data || part.cols != whole.cols || part.dtype != whole.dtype) return {};
    whole.rows += part.rows;
  }
  return whole;
}
inline ConstMatrix stacked(std::initializer_list<ConstMatrix> parts) {
  return stacked_views(parts);
}
inline Matrix stacked_writable(std::initializer_list<Matrix> parts) {
  return stacked_views(parts);
}

}  // namespace cce
