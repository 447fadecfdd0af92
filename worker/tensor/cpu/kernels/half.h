#pragma once
#include <cstdint>

#include "worker/tensor/dtype.h"

namespace cce {
namespace {

/// A binary16 as stored.
struct Float16 {
  std::uint16_t bits;
};

/// How one stored element becomes a number and back. f64 passes through double, the rest through float.
template <typename T>
struct Element;

template <>
struct Element<float> {
  static float to(float value) { return value; }
  template <typename Value>
  static float from(Value value) {
    return static_cast<float>(value);
  }
};

template <>
struct Element<double> {
  static double to(double value) { return value; }
  template <typename Value>
  static double from(Value value) {
    return static_cast<double>(value);
  }
};

template <>
struct Element<BFloat16> {
  static float to(BFloat16 value) {
    const auto bits = static_cast<std::uint32_t>(value.bits) << 16;
    return __builtin_bit_cast(float, bits);
  }
  template <typename Value>
  static BFloat16 from(Value value) {
    const auto bits = __builtin_bit_cast(std::uint32_t, static_cast<float>(value));
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
    return {static_cast<std::uint16_t>(is_nan ? ((bits >> 16) | 0x40u) : rounded)};
  }
};

template <>
struct Element<Float16> {
  /// Scaling by 2¹¹² moves binary16's exponents, subnormal ones too, to where binary32 has them.
  static float to(Float16 value) {
    const std::uint32_t sign = (value.bits & 0x8000u) << 16;
    const std::uint32_t magnitude = value.bits & 0x7fffu;
    const float scaled = __builtin_bit_cast(float, magnitude << 13) * 0x1p112f;
    const std::uint32_t special = (magnitude << 13) | 0x7f800000u;
    const std::uint32_t bits = magnitude >= 0x7c00u ? special : __builtin_bit_cast(std::uint32_t, scaled);
    return __builtin_bit_cast(float, bits | sign);
  }
  /// Rounds to nearest, ties to even; beyond 65504 + half an ulp becomes infinity.
  template <typename Value>
  static Float16 from(Value value) {
    const auto all = __builtin_bit_cast(std::uint32_t, static_cast<float>(value));
    const std::uint32_t sign = (all >> 16) & 0x8000u;
    const std::uint32_t bits = all & 0x7fffffffu;
    std::uint32_t half;
    if (bits > 0x7f800000u) {
      half = 0x7e00u;
    } else if (bits >= 0x477ff000u) {
      half = 0x7c00u;
    } else if (bits >= 0x38800000u) {  // normal: 2⁻¹⁴ and above
      half = (bits - 0x38000000u + 0x0fffu + ((bits >> 13) & 1u)) >> 13;
    } else {  // subnormal: adding ½ leaves the value in units of 2⁻²⁴ in the low bits, rounded by the
              // addition
      half = __builtin_bit_cast(std::uint32_t, __builtin_bit_cast(float, bits) + 0.5f) - 0x3f000000u;
    }
    return {static_cast<std::uint16_t>(half | sign)};
  }
};

}  // namespace
}  // namespace cce
