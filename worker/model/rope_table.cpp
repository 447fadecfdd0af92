#include "worker/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "common/base/error.h"
#include "worker/model/rope_frequencies.h"

namespace cce {
namespace {

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

RopeTables::RopeTables(Backend& backend, const ModelConfig& config)
    : backend_(backend), head_dim_(config.head_dim) {
  for (const RopeSettings& rope : config.ropes) {
    angles_.emplace_back();
    angles_.back().rope = rope;
    angles_.back().frequencies = rope_frequencies(rope, head_dim_, 1);
  }
}

void RopeTables::use_frequencies_of(Angles& angles, std::int64_t length) const {
  if (same_frequencies(angles.rope, length, angles.frequencies_length)) return;
  angles.frequencies = rope_frequencies(angles.rope, head_dim_, length);
  angles.frequencies_length = length;
  angles.length = 0;
  angles.columns.clear();
}

void RopeTables::extend(Angles& angles, std::int64_t length) {
  const std::size_t pairs = angles.frequencies.size();
  const auto rows = static_cast<std::size_t>(length);
  angles.cos.resize(rows * pairs);
  angles.sin.resize(rows * pairs);
  const float factor = rope_attention_factor(angles.rope);
  for (auto position = static_cast<std::size_t>(angles.length); position < rows; ++position) {
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const float angle = static_cast<float>(position) * angles.frequencies[pair];
      angles.cos[position * pairs + pair] = std::cos(angle) * factor;
      angles.sin[position * pairs + pair] = std::sin(angle) * factor;
    }
  }
  angles.length = length;
}

/// The columns that the table has, of cosines or sines of the dense head.
OwnedMatrix RopeTables::select(const Angles& angles, const std::vector<float>& dense) const {
  const std::size_t pairs = angles.frequencies.size(), columns = angles.columns.size();
  std::vector<float> selected(static_cast<std::size_t>(angles.length) * columns);
  for (std::size_t position = 0; position < static_cast<std::size_t>(angles.length); ++position) {
    for (std::size_t column = 0; column < columns; ++column) {
      selected[position * columns + column] =
          dense[position * pairs + static_cast<std::size_t>(angles.columns[column])];
    }
  }
  const auto width = static_cast<std::int64_t>(columns);
  OwnedMatrix table = backend_.matrix(DType::f32, angles.length, width);
  backend_.upload(ConstMatrix{selected.data(), DType::f32, angles.length, width, width}, table.view());
  return table;
}

RopeTable RopeTables::for_layer(const LayerShape& shape, std::int64_t length) {
  if (shape.rope < 0 || shape.rope >= static_cast<std::int64_t>(angles_.size())) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "rotary settings of a layer",
                .found = std::to_string(shape.rope),
                .expected = "below " + std::to_string(angles_.size()),
                .remedy = {}};
  }
  Angles& angles = angles_[static_cast<std::size_t>(shape.rope)];
  use_frequencies_of(angles, length);
  std::vector<std::int32_t> columns =
      table_columns(shape, static_cast<std::int64_t>(angles.frequencies.size()));
  if (length <= angles.length && columns == angles.columns) return angles.table.view();
  // Doubling keeps a decoding loop, which asks for one more position each time, from remaking the table.
  if (length > angles.length) extend(angles, std::max(length, 2 * angles.length));
  angles.columns = std::move(columns);
  angles.table.cos = select(angles, angles.cos);
  angles.table.sin = select(angles, angles.sin);
  return angles.table.view();
}

}  // namespace cce
