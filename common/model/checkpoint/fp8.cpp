#include "common/model/checkpoint/fp8.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "common/base/error.h"

namespace cce {
namespace {

struct Fp8Form {
  int fraction_bits, bias;
  bool has_infinities;
};
constexpr Fp8Form e4m3 = {3, 7, false};
constexpr Fp8Form e5m2 = {2, 15, true};

float value_of(const Fp8Form& form, std::uint8_t bits) {
  const int exponent_bits = 7 - form.fraction_bits;
  const int exponent = (bits >> form.fraction_bits) & ((1 << exponent_bits) - 1);
  const int fraction = bits & ((1 << form.fraction_bits) - 1);
  const int largest_exponent = (1 << exponent_bits) - 1;
  const int largest_fraction = (1 << form.fraction_bits) - 1;
  float magnitude = 0.0F;
  if (form.has_infinities && exponent == largest_exponent) {
    magnitude =
        fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else if (!form.has_infinities && exponent == largest_exponent && fraction == largest_fraction) {
    magnitude = std::numeric_limits<float>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::ldexp(static_cast<float>(fraction), 1 - form.bias - form.fraction_bits);
  } else {
    magnitude = std::ldexp(static_cast<float>(fraction + (1 << form.fraction_bits)),
                           exponent - form.bias - form.fraction_bits);
  }
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

using Table = std::array<float, 256>;

Table table_of(const Fp8Form& form) {
  Table table{};
  for (std::size_t bits = 0; bits < table.size(); ++bits) {
    table[bits] = value_of(form, static_cast<std::uint8_t>(bits));
  }
  return table;
}

const Table& table_for(std::string_view dtype) {
  static const Table table_e4m3 = table_of(e4m3);
  static const Table table_e5m2 = table_of(e5m2);
  return dtype == "F8_E5M2" ? table_e5m2 : table_e4m3;
}

std::int64_t columns(const StoredTensor& tensor) {
  return tensor.shape.empty() ? 1 : tensor.shape.back();
}
std::int64_t row_count(const StoredTensor& tensor) {
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    rows *= tensor.shape[i];
  }
  return rows;
}

/// Elements looked at together.
constexpr std::int64_t chunk_elements = std::int64_t{1} << 16;

}  // namespace

bool is_fp8(std::string_view dtype) {
  return dtype == "F8_E4M3" || dtype == "F8_E5M2";
}

float fp8_value(std::string_view dtype, std::uint8_t bits) {
  return table_for(dtype)[bits];
}

void attach_scales(StoredTensor& weight, const StoredTensor& scales, std::span<const std::int64_t> block) {
  const std::int64_t rows = row_count(weight), cols = columns(weight);
  const std::int64_t count = row_count(scales) * columns(scales);
  const auto blocks = [](std::int64_t extent, std::int64_t size) { return (extent + size - 1) / size; };
  WeightScales found;
  if (count == 1) {
    found = {.block_rows = rows, .block_cols = cols};
  } else if (block.size() == 2 &&
             scales.shape == std::vector{blocks(rows, block[0]), blocks(cols, block[1])}) {
    found = {.block_rows = block[0], .block_cols = block[1]};
  } else if (count == rows && (scales.shape.size() == 1 || columns(scales) == 1)) {
    found = {.block_rows = 1, .block_cols = cols};
  } else {
    throw Error{.code = ErrorCode::malformed_file,
                .where = place_of(scales),
                .found = "scales of shape " + shape_text(scales.shape),
                .expected = "one for all of " + shape_text(weight.shape) +
                            ", one a row, or one for each block of quantization_config",
                .remedy = "Use the config.json that belongs to these weights"};
  }
  found.values.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    found.values[i] = value_at(scales.values, i);
  }
  weight.scales = std::move(found);
}

void dequantize_rows(const StoredTensor& weight, std::int64_t first, std::int64_t rows,
                     std::span<float> target) {
  const Table& table = table_for(weight.values.dtype);
  const std::int64_t cols = columns(weight);
  const std::byte* source = weight.values.bytes.data() + first * cols;
  for (std::int64_t i = 0; i < rows * cols; ++i) {
    target[static_cast<std::size_t>(i)] = table[static_cast<std::size_t>(source[i])];
  }
  if (!weight.scales) {
    return;
  }
  const WeightScales& scales = *weight.scales;
  const std::int64_t blocks_in_row = (cols + scales.block_cols - 1) / scales.block_cols;
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* row_scales = scales.values.data() + (first + row) / scales.block_rows * blocks_in_row;
    for (std::int64_t col = 0; col < cols; ++col) {
      target[static_cast<std::size_t>(row * cols + col)] *= row_scales[col / scales.block_cols];
    }
  }
}

std::optional<UnheldValues> find_unheld_values(const StoredTensor& weight, std::string_view held_as) {
  if (!is_fp8(weight.values.dtype)) {
    return find_unheld_values(weight.values, held_as);
  }
  const std::int64_t cols = columns(weight);
  const std::int64_t rows = row_count(weight);
  const std::int64_t step = std::max<std::int64_t>(1, chunk_elements / std::max<std::int64_t>(cols, 1));
  std::optional<UnheldValues> all;
  std::vector<float> values;
  for (std::int64_t row = 0; row < rows; row += step) {
    const std::int64_t count = std::min(step, rows - row);
    values.resize(static_cast<std::size_t>(count * cols));
    dequantize_rows(weight, row, count, values);
    const StoredValues stored{std::as_bytes(std::span<const float>(values)), "F32"};
    if (const std::optional<UnheldValues> found = find_unheld_values(stored, held_as)) {
      const std::int64_t before = all ? all->count : 0;
      all = all.value_or(UnheldValues{.count = 0, .first = row * cols + found->first, .value = found->value});
      all->count = before + found->count;
    }
  }
  return all;
}

}  // namespace cce
