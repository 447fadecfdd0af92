#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "worker/tensor/dtype.h"

namespace cce {

/// "F32", "F16" or "BF16", as files spell them. Errors: unsupported for f64.
std::string safetensors_name(DType dtype);

/// An IEEE binary16 as stored, in 16 bits.
float half_to_float(std::uint16_t bits);
/// Rounds to nearest, ties to even; overflows to infinity; NaN stays NaN.
std::uint16_t float_to_half(float value);

/// Copies elements between f32, bf16 and f16, rounding to nearest even. Neither side need be aligned, as
/// tensors in a safetensors file are not. Both spans hold the same number of elements. Errors: shape_mismatch
/// for spans of different lengths; unsupported for f64.
void convert_elements(std::span<const std::byte> source, DType source_dtype, std::span<std::byte> target,
                      DType target_dtype);

}  // namespace cce
