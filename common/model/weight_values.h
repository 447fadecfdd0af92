#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cce {

/// The elements of one tensor as a safetensors file holds them. `dtype`: F32, F16 or BF16. The bytes need not
/// be aligned, and belong to the mapped file.
struct StoredValues {
  std::span<const std::byte> bytes;
  std::string dtype;

  std::int64_t count() const;
};

/// One element as f32. Precondition: index < count().
float value_at(const StoredValues& values, std::size_t index);

/// Values that cannot be computed with, or not be written.
struct UnheldValues {
  std::int64_t count = 0;
  std::int64_t first = 0;  ///< its index, row-major
  float value = 0.0F;      ///< of the first
};

/// The values that are NaN or infinite, or become infinite where `held_as` (a dtype as above; empty: their
/// own) rounds them to nearest even. Compares bit patterns: several GB/s on one core.
std::optional<UnheldValues> find_unheld_values(const StoredValues& values, std::string_view held_as = {});

/// The largest finite magnitude of a dtype: 65504 for F16.
float largest_finite(std::string_view dtype);

/// Whether both hold the same numbers, element by element: the same bits in one dtype, the same f32 values
/// where the dtypes differ. Stops at the first stretch that differs.
bool same_values(const StoredValues& a, const StoredValues& b);

}  // namespace cce
