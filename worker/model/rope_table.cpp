#include "worker/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

float scaled_frequency(float frequency, const Llama3RopeScaling& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto original = static_cast<double>(scaling.original_max_position);
  const float wavelength = static_cast<float>(2.0 * std::numbers::pi) / frequency;
  const auto shortest_scaled = static_cast<float>(original / scaling.high_freq_factor);
  const auto longest_kept = static_cast<float>(original / scaling.low_freq_factor);
  if (wavelength < shortest_scaled) return frequency;
  if (wavelength > longest_kept) return frequency / factor;
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  const float mix = (static_cast<float>(original) / wavelength - low) / (high - low);
  return (1.0f - mix) * frequency / factor + mix * frequency;
}

/// The dense pair that each column of a layer's table turns by: kv_groups × (qk_dim / 2).
std::vector<std::int32_t> table_columns(const LayerShape& shape, std::int64_t dense_pairs) {
  const std::int64_t pairs = shape.qk_dim / 2;
  const std::int64_t columns = shape.kv_groups * pairs;
  const auto refuse = [](const std::string& found, const std::string& expected) {
    throw Error{.code = ErrorCode::shape_mismatch,
                .where = "rope_pairs",
                .found = found,
                .expected = expected,
                .remedy = {}};
  };
  if (shape.rope_pairs.empty()) {
    if (pairs != dense_pairs) {
      refuse("none, with qk_dim " + std::to_string(shape.qk_dim),
             "qk_dim " + std::to_string(2 * dense_pairs));
    }
    std::vector<std::int32_t> result(static_cast<std::size_t>(columns));
    for (std::int64_t column = 0; column < columns; ++column) {
      result[static_cast<std::size_t>(column)] = static_cast<std::int32_t>(column % pairs);
    }
    return result;
  }
  if (static_cast<std::int64_t>(shape.rope_pairs.size()) != columns) {
    refuse(std::to_string(shape.rope_pairs.size()) + " pairs", std::to_string(columns));
  }
  for (const std::int32_t pair : shape.rope_pairs) {
    if (pair < 0 || pair >= dense_pairs) {
      refuse("pair " + std::to_string(pair), "0 to " + std::to_string(dense_pairs - 1));
    }
  }
  return shape.rope_pairs;
}

}  // namespace

std::vector<float> rope_frequencies(const ModelConfig& config) {
  const auto base = static_cast<float>(config.rope_theta);
  std::vector<float> frequencies;
  for (std::int64_t dim = 0; dim < config.head_dim; dim += 2) {
    const float exponent = static_cast<float>(dim) / static_cast<float>(config.head_dim);
    // The double power rounded once is the correctly rounded f32 power.
    const auto power = static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
    const float frequency = 1.0f / power;
    frequencies.push_back(config.rope_scaling ? scaled_frequency(frequency, *config.rope_scaling)
                                              : frequency);
  }
  return frequencies;
}

RopeTables::RopeTables(Backend& backend, const ModelConfig& config)
    : backend_(backend), frequencies_(rope_frequencies(config)) {}

void RopeTables::extend_dense_angles(std::int64_t length) {
  const std::size_t pairs = frequencies_.size();
  const auto rows = static_cast<std::size_t>(length);
  dense_cos_.resize(rows * pairs);
  dense_sin_.resize(rows * pairs);
  for (auto position = static_cast<std::size_t>(length_); position < rows; ++position) {
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const float angle = static_cast<float>(position) * frequencies_[pair];
      dense_cos_[position * pairs + pair] = std::cos(angle);
      dense_sin_[position * pairs + pair] = std::sin(angle);
    }
  }
  length_ = length;
}

RopeTable RopeTables::for_layer(const LayerShape& shape, std::int64_t length) {
  const std::size_t pairs = frequencies_.size();
  std::vector<std::int32_t> columns = table_columns(shape, static_cast<std::int64_t>(pairs));
  if (length <= length_ && columns == current_columns_) return current_.view();
  // Doubling keeps a decoding loop, which asks for one more position each time, from remaking the table.
  if (length > length_) extend_dense_angles(std::max(length, 2 * length_));

  const auto select = [&](const std::vector<float>& dense) {
    std::vector<float> selected(static_cast<std::size_t>(length_) * columns.size());
    for (std::size_t position = 0; position < static_cast<std::size_t>(length_); ++position) {
      for (std::size_t column = 0; column < columns.size(); ++column) {
        selected[position * columns.size() + column] =
            dense[position * pairs + static_cast<std::size_t>(columns[column])];
      }
    }
    const auto width = static_cast<std::int64_t>(columns.size());
    OwnedMatrix table = backend_.matrix(DType::f32, length_, width);
    backend_.upload(ConstMatrix{selected.data(), DType::f32, length_, width, width}, table.view());
    return table;
  };
  current_.cos = select(dense_cos_);
  current_.sin = select(dense_sin_);
  current_columns_ = std::move(columns);
  return current_.view();
}

}  // namespace cce
