#pragma once
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <cstdint>

#include "worker/tensor/dtype.h"

/// Vectors of sixteen numbers, written once and compiled for every instruction set (see table.h). Everything
/// here has internal linkage: the same inline function compiled for AVX-512 must never be the copy that an
/// older CPU runs.
namespace cce {
namespace {

constexpr std::int64_t lanes = 16;
using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(32)));

/// How many lanes of a vector hold data: all of them (known when compiling) or the first `count`.
struct AllLanes {
  static constexpr std::int64_t count = lanes;
};
struct SomeLanes {
  std::int64_t count;
};

/// Calls body(offset, AllLanes or SomeLanes) over [0, n).
template <typename Body>
inline __attribute__((always_inline)) void for_each_vector(std::int64_t n, Body body) {
  std::int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    body(i, AllLanes{});
  }
  if (i < n) {
    body(i, SomeLanes{n - i});
  }
}

template <typename To, typename From>
inline To reinterpret(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof(To));
  return to;
}

template <typename Vector, typename T, typename Part>
inline Vector load_raw(const T* source, Part part) {
  Vector v{};
  __builtin_memcpy(&v, source, static_cast<std::size_t>(part.count) * sizeof(T));
  return v;
}
template <typename Vector, typename T, typename Part>
inline void store_raw(Vector v, T* target, Part part) {
  __builtin_memcpy(static_cast<void*>(target), &v, static_cast<std::size_t>(part.count) * sizeof(T));
}

inline Floats splat(float value) {
  return value - Floats{};
}

inline Floats widen(Halves bits) {
  return reinterpret<Floats>(__builtin_convertvector(bits, Words) << 16);
}
/// Rounds to nearest, ties to even; NaN stays NaN. The instruction also turns subnormal numbers into 0.
inline Halves narrow(Floats value) {
#if defined(__AVX512BF16__)
  return reinterpret<Halves>(_mm512_cvtneps_pbh(reinterpret<__m512>(value)));
#else
  const Words bits = reinterpret<Words>(value);
  const Words rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Words quiet = (bits >> 16) | 0x40u;
  const Ints is_nan = value != value;
  return __builtin_convertvector(is_nan ? quiet : rounded, Halves);
#endif
}

template <typename Part>
inline Floats load(const float* source, Part part) {
  return load_raw<Floats>(source, part);
}
template <typename Part>
inline Floats load(const BFloat16* source, Part part) {
  return widen(load_raw<Halves>(source, part));
}
template <typename Part>
inline void store(Floats value, float* target, Part part) {
  store_raw(value, target, part);
}
template <typename Part>
inline void store(Floats value, BFloat16* target, Part part) {
  store_raw(narrow(value), target, part);
}

inline Floats larger(Floats a, Floats b) {
  return a > b ? a : b;
}
inline Floats smaller(Floats a, Floats b) {
  return a < b ? a : b;
}

inline float sum(Floats v) {
  using Eight = float __attribute__((vector_size(32)));
  using Four = float __attribute__((vector_size(16)));
  const Eight eight = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                      __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Four four =
      __builtin_shufflevector(eight, eight, 0, 1, 2, 3) + __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  return (four[0] + four[2]) + (four[1] + four[3]);
}
inline float maximum(Floats v) {
  using Eight = float __attribute__((vector_size(32)));
  using Four = float __attribute__((vector_size(16)));
  const Eight low8 = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const Eight high8 = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  const Eight eight = low8 > high8 ? low8 : high8;
  const Four low4 = __builtin_shufflevector(eight, eight, 0, 1, 2, 3);
  const Four high4 = __builtin_shufflevector(eight, eight, 4, 5, 6, 7);
  const Four four = low4 > high4 ? low4 : high4;
  const float left = four[0] > four[2] ? four[0] : four[2];
  const float right = four[1] > four[3] ? four[1] : four[3];
  return left > right ? left : right;
}

/// eˣ within about 2 ulp: x = n ln 2 + r with |r| ≤ ½ ln 2, e^r by its Taylor polynomial of degree 7, then
/// the scaling by 2ⁿ. Below −87.3 it may be 0, −∞ included; above 88.3 it may be ∞ or e^88.3.
inline Floats exponential(Floats x) {
  constexpr float log2_e = 1.44269504088896341f;
  constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;  // their sum is ln 2 to 2⁻⁴⁰
#if defined(__AVX512F__)
  constexpr __mmask16 all_lanes = 0xffff;  // the unmasked intrinsics make GCC warn of a value never used
  const Floats clamped = smaller(larger(x, splat(-104.0f)), splat(89.0f));
  const __m512 scaled = reinterpret<__m512>(clamped * log2_e);
  const Floats n = reinterpret<Floats>(
      _mm512_maskz_roundscale_ps(all_lanes, scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  constexpr float lowest = -87.3f, highest = 88.3f;
  constexpr float round_to_integer = 12582912.0f;  // 1.5 · 2²³
  const Ints underflows = x < lowest;
  const Floats clamped = smaller(larger(x, splat(lowest)), splat(highest));
  const Floats shifted = clamped * log2_e + round_to_integer;
  const Floats n = shifted - round_to_integer;
#endif
  const Floats r = (clamped - n * ln2_high) - n * ln2_low;
  Floats p = splat(1.0f / 5040.0f);
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
#if defined(__AVX512F__)
  return reinterpret<Floats>(
      _mm512_maskz_scalef_ps(all_lanes, reinterpret<__m512>(p), reinterpret<__m512>(n)));
#else
  const Ints exponent = (reinterpret<Ints>(shifted) - 0x4b400000) << 23;
  const Floats result = reinterpret<Floats>(reinterpret<Ints>(p) + exponent);
  return underflows ? Floats{} : result;
#endif
}

/// The lane numbers 0 … 15.
inline Ints lane_numbers() {
  return Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

/// `value` in the lanes that hold data, `other` in the rest.
inline Floats keep(Floats value, AllLanes, float) {
  return value;
}
inline Floats keep(Floats value, SomeLanes part, float other) {
  return lane_numbers() < static_cast<std::int32_t>(part.count) ? value : splat(other);
}

/// `value` in the lanes whose number plus `offset` lies in [first, last), `other` in the rest.
inline Floats keep_range(Floats value, std::int64_t offset, std::int64_t first, std::int64_t last,
                         float other) {
  const Ints at = lane_numbers() + static_cast<std::int32_t>(offset);
  const Ints inside = (at >= static_cast<std::int32_t>(first)) & (at < static_cast<std::int32_t>(last));
  return inside ? value : splat(other);
}

/// Calls body with a typed null pointer for a run-time dtype: f32 or bf16, the dtypes of activations.
template <typename Body>
inline void with_activation_type(DType dtype, Body body) {
  if (dtype == DType::f32) {
    body(static_cast<float*>(nullptr));
  } else {
    body(static_cast<BFloat16*>(nullptr));
  }
}

}  // namespace
}  // namespace cce
