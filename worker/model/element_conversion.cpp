#include "worker/model/element_conversion.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

constexpr std::size_t chunk_elements = 2048;  // 8 KiB of floats: stays in the first cache

void widen(const std::byte* source, DType dtype, std::span<float> target) {
  if (dtype == DType::f32) {
    std::memcpy(target.data(), source, target.size_bytes());
    return;
  }
  std::array<std::uint16_t, chunk_elements> bits;
  std::memcpy(bits.data(), source, target.size() * sizeof(std::uint16_t));
  if (dtype == DType::bf16) {
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = to_float(BFloat16{bits[i]});
  } else {
    for (std::size_t i = 0; i < target.size(); ++i) target[i] = half_to_float(bits[i]);
  }
}

void narrow(std::span<const float> source, DType dtype, std::byte* target) {
  if (dtype == DType::f32) {
    std::memcpy(target, source.data(), source.size_bytes());
    return;
  }
  std::array<std::uint16_t, chunk_elements> bits;
  if (dtype == DType::bf16) {
    for (std::size_t i = 0; i < source.size(); ++i) bits[i] = to_bfloat16(source[i]).bits;
  } else {
    for (std::size_t i = 0; i < source.size(); ++i) bits[i] = float_to_half(source[i]);
  }
  std::memcpy(target, bits.data(), source.size() * sizeof(std::uint16_t));
}

}  // namespace

std::string safetensors_name(DType dtype) {
  if (dtype == DType::f32) return "F32";
  if (dtype == DType::f16) return "F16";
  if (dtype == DType::bf16) return "BF16";
  throw Error{.code = ErrorCode::unsupported,
              .where = "export.dtype",
              .found = std::string(name(dtype)),
              .expected = "bf16, f16 or f32",
              .remedy = {}};
}

float half_to_float(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1fu;
  const std::uint32_t fraction = bits & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: fraction · 2⁻²⁴, exact in f32
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide_exponent = exponent == 0x1fu ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | (wide_exponent << 23) | (fraction << 13));
}

std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits >> 16) & 0x8000u);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u)
    return static_cast<std::uint16_t>(sign | 0x7c00u);  // ≥ 65520 rounds to infinity
  if (magnitude < 0x38800000u) {
    // Below 2⁻¹⁴ the result is subnormal: adding 0.5 leaves the rounded multiple of 2⁻²⁴ in the low bits.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) & 0x7ffu));
  }
  const std::uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

void convert_elements(std::span<const std::byte> source, DType source_dtype, std::span<std::byte> target,
                      DType target_dtype) {
  const std::size_t source_size = size_in_bytes(source_dtype), target_size = size_in_bytes(target_dtype);
  const std::size_t count = source.size() / source_size;
  if (count != target.size() / target_size) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "element conversion",
                .found = std::to_string(target.size() / target_size) + " elements",
                .expected = std::to_string(count),
                .remedy = {}};
  }
  if (source_dtype == DType::f64 || target_dtype == DType::f64) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "element conversion",
                .found = "f64",
                .expected = {},
                .remedy = {}};
  }
  if (source_dtype == target_dtype) {
    std::memcpy(target.data(), source.data(), count * source_size);
    return;
  }
  std::array<float, chunk_elements> chunk;
  for (std::size_t first = 0; first < count; first += chunk_elements) {
    const std::span<float> values(chunk.data(), std::min(chunk_elements, count - first));
    widen(source.data() + first * source_size, source_dtype, values);
    narrow(values, target_dtype, target.data() + first * target_size);
  }
}

}  // namespace cce
