#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "common/model/checkpoint/stored_tensor.h"

namespace cce {

/// Weights of one byte: F8_E4M3 (no infinities, 448 the largest) and F8_E5M2, as the OCP 8-bit floating point
/// specification has them, which safetensors and PyTorch follow.

bool is_fp8(std::string_view dtype);

/// The number that a byte stands for. Precondition: is_fp8(dtype).
float fp8_value(std::string_view dtype, std::uint8_t bits);

/// Gives an FP8 weight the scales that its values are multiplied with: one for all, one a row, or one a block of
/// `block` = {rows, columns}, told by their shape. Errors: malformed_file for scales of another shape or dtype.
void attach_scales(StoredTensor& weight, const StoredTensor& scales, std::span<const std::int64_t> block);

/// Rows [first, first + rows) of a weight as f32, scaled; a vector has one row. Only for FP8.
void dequantize_rows(const StoredTensor& weight, std::int64_t first, std::int64_t rows,
                     std::span<float> target);

/// weight_values.h's function for a weight of any dtype, FP8 as it is scaled.
std::optional<UnheldValues> find_unheld_values(const StoredTensor& weight, std::string_view held_as = {});

}  // namespace cce
