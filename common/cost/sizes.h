#pragma once
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "common/cost/limits.h"
#include "common/cost/stage_sizes.h"
#include "common/model/model_config.h"

/// Counts of numbers and widths that stages, their states and their forecasts share: each stands here and nowhere
/// else. The matrices that stages hold are in stage_sizes.h.
namespace cce::cost {

// ---- widths of a layer
/// n, the width of the head outputs; 0 without attention.
inline std::int64_t head_output_width(const LayerShape& shape) {
  return shape.has_attention ? shape.query_heads() * shape.vo_dim : 0;
}
/// m; 0 without an FFN.
inline std::int64_t ffn_width(const LayerShape& shape) {
  return shape.has_ffn ? shape.ffn_width : 0;
}
/// Rotary pairs of all KV groups; 0 without attention.
inline std::int64_t rotary_pairs(const LayerShape& shape) {
  return shape.has_attention ? shape.kv_groups * shape.qk_dim / 2 : 0;
}

// ---- sums
/// Numbers in a sub-block's sums: two n × n covariances, the features' sum, S_g of d × d.
inline std::int64_t sub_block_sum_numbers(std::int64_t width, std::int64_t hidden_size) {
  const SubBlockSumSizes sums = sub_block_sum_sizes(width, hidden_size);
  return sums.weighted_covariance.numbers() + sums.covariance.numbers() + sums.feature_sum.numbers() +
         sums.gradient_covariance.numbers();
}
/// Numbers in a layer's sums, the products of rotary pairs among them.
inline std::int64_t layer_sum_numbers(const LayerShape& shape, std::int64_t hidden_size) {
  const std::int64_t pairs = rotary_pairs(shape);
  return sub_block_sum_numbers(head_output_width(shape), hidden_size) +
         sub_block_sum_numbers(ffn_width(shape), hidden_size) + pairs * pairs;
}
/// Numbers that a job stores of a layer's sums (calibration.keep_statistics): of the symmetric matrices, all
/// but the features' sums, the upper triangle.
inline std::int64_t stored_sum_numbers(const LayerShape& shape, std::int64_t hidden_size) {
  const auto sub_block = [hidden_size](std::int64_t width) {
    return width > 0 ? width * (width + 1) + width + hidden_size * (hidden_size + 1) / 2 : 0;
  };
  const std::int64_t pairs = rotary_pairs(shape);
  return sub_block(head_output_width(shape)) + sub_block(ffn_width(shape)) + pairs * (pairs + 1) / 2;
}
/// Numbers that analyze stores of a layer's V/O directions: L, U and σ² of each KV group.
inline std::int64_t value_spectra_numbers(const LayerShape& shape) {
  return shape.has_attention ? shape.kv_groups * (2 * shape.vo_dim * shape.vo_dim + shape.vo_dim) : 0;
}
/// Numbers in a sub-block's signature: sketched where the hidden size is above the sketch's width.
inline std::int64_t signature_width(std::int64_t hidden_size) {
  return std::min(hidden_size, sketch_width);
}

// ---- dtypes
/// Bytes of a number in `export.dtype`.
inline std::int64_t export_value_bytes(std::string_view dtype) {
  return dtype == "f32" ? 4 : 2;
}
/// Whether products run in bf16: `resources.precision` says so, or leaves it to a device that is fast at it.
inline bool computes_in_bf16(std::string_view precision, bool device_has_fast_bf16) {
  return precision == "bf16" || (precision == "auto" && device_has_fast_bf16);
}

}  // namespace cce::cost
