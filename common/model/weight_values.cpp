#include "common/model/weight_values.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace cce {
namespace {

/// Elements looked at together: a block is read once more where it has a value that is sought.
constexpr std::size_t block_elements = 4096;

std::size_t element_bytes(std::string_view dtype) {
  return dtype == "F32" ? 4 : 2;
}

/// The largest magnitude, as bits of `stored`, that `held_as` rounds to a finite number. Magnitudes order as
/// their bits do. F16 is infinite from 65520 on, BF16 from the middle between its largest number and 2¹²⁸.
std::uint32_t largest_held(std::string_view stored, std::string_view held_as) {
  if (stored == "F16") {
    return 0x7bffU;
  }
  std::uint32_t f32_bits = 0x7f7fffffU;
  if (held_as == "F16") {
    f32_bits = 0x477fefffU;
  } else if (held_as == "BF16") {
    f32_bits = 0x7f7f7fffU;
  }
  return stored == "F32" ? f32_bits : f32_bits >> 16;
}

/// Signed is an integer of the elements' width. The sign of limit - magnitude tells, without a branch.
template <typename Signed>
bool any_above(const std::byte* bytes, std::size_t count, Signed limit) {
  constexpr Signed magnitude_mask = std::numeric_limits<Signed>::max();
  std::array<Signed, block_elements> block;
  std::memcpy(block.data(), bytes, count * sizeof(Signed));
  Signed signs = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto magnitude = static_cast<Signed>(block[i] & magnitude_mask);
    signs = static_cast<Signed>(signs | static_cast<Signed>(limit - magnitude));
  }
  return signs < 0;
}

float half_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 0x1f;
  const int fraction = bits & 0x3ff;
  float magnitude = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 0x1f) {
    magnitude =
        fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else if (exponent > 0) {
    magnitude = std::ldexp(static_cast<float>(fraction + 0x400), exponent - 25);
  }
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

}  // namespace

float value_at(const StoredValues& values, std::size_t index) {
  const std::byte* place = values.bytes.data() + index * element_bytes(values.dtype);
  if (values.dtype == "F32") {
    float value = 0.0F;
    std::memcpy(&value, place, sizeof value);
    return value;
  }
  std::uint16_t bits = 0;
  std::memcpy(&bits, place, sizeof bits);
  return values.dtype == "F16" ? half_value(bits)
                               : std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

namespace {

template <typename Signed>
std::optional<UnheldValues> find_above(const StoredValues& values, Signed limit) {
  UnheldValues found;
  const std::size_t count = values.bytes.size() / sizeof(Signed);
  for (std::size_t first = 0; first < count; first += block_elements) {
    const std::size_t size = std::min(block_elements, count - first);
    const std::byte* block = values.bytes.data() + first * sizeof(Signed);
    if (!any_above(block, size, limit)) {
      continue;
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (!any_above(block + i * sizeof(Signed), 1, limit)) {
        continue;
      }
      if (found.count++ == 0) {
        found.first = static_cast<std::int64_t>(first + i);
        found.value = value_at(values, first + i);
      }
    }
  }
  return found.count > 0 ? std::optional(found) : std::nullopt;
}

}  // namespace

std::int64_t StoredValues::count() const {
  return static_cast<std::int64_t>(bytes.size() / element_bytes(dtype));
}

std::optional<UnheldValues> find_unheld_values(const StoredValues& values, std::string_view held_as) {
  const std::uint32_t limit = largest_held(values.dtype, held_as);
  return values.dtype == "F32" ? find_above(values, static_cast<std::int32_t>(limit))
                               : find_above(values, static_cast<std::int16_t>(limit));
}

float largest_finite(std::string_view dtype) {
  return dtype == "F16"    ? 65504.0F
         : dtype == "BF16" ? std::bit_cast<float>(0x7f7f0000U)
                           : std::numeric_limits<float>::max();
}

bool same_values(const StoredValues& a, const StoredValues& b) {
  if (a.count() != b.count()) {
    return false;
  }
  if (a.dtype == b.dtype) {
    return std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(a.count()); ++i) {
    if (value_at(a, i) != value_at(b, i)) {
      return false;
    }
  }
  return true;
}

}  // namespace cce
