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
    : backend_(backend),
      rope_(config.rope),
      head_dim_(config.head_dim),
      frequencies_(rope_frequencies(rope_, head_dim_, 1)) {}

void RopeTables::use_frequencies_of(std::int64_t length) {
  if (same_frequencies(rope_, length, frequencies_length_)) return;
  frequencies_ = rope_frequencies(rope_, head_dim_, length);
  frequencies_length_ = length;
  length_ = 0;
  current_columns_.clear();
}

void RopeTables::extend_dense_angles(std::int64_t length) {
  const std::size_t pairs = frequencies_.size();
  const auto rows = static_cast<std::size_t>(length);
  dense_cos_.resize(rows * pairs);
  dense_sin_.resize(rows * pairs);
  const float factor = rope_attention_factor(rope_);
  for (auto position = static_cast<std::size_t>(length_); position < rows; ++position) {
    for (std::size_t pair = 0; pair < pairs; ++pair) {
      const float angle = static_cast<float>(position) * frequencies_[pair];
      dense_cos_[position * pairs + pair] = std::cos(angle) * factor;
      dense_sin_[position * pairs + pair] = std::sin(angle) * factor;
    }
  }
  length_ = length;
}

RopeTable RopeTables::for_layer(const LayerShape& shape, std::int64_t length) {
  use_frequencies_of(length);
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
