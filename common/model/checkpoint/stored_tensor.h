#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/model/weight_values.h"

namespace cce {

/// What the values of an FP8 weight are multiplied with, a number a block of rows and columns.
struct WeightScales {
  std::vector<float> values = {};  ///< row-major
  std::int64_t block_rows = 1, block_cols = 1;
};

/// A weight of a checkpoint as its file holds it; the bytes belong to the mapped file.
struct StoredTensor {
  std::vector<std::int64_t> shape;
  StoredValues values;
  std::filesystem::path file = {};
  std::string stored_name = {};             ///< in that file
  std::optional<WeightScales> scales = {};  ///< of FP8 weights (fp8.h)
};

/// "[40, 32]"; "[]" of a scalar.
std::string shape_text(const std::vector<std::int64_t>& shape);

/// "FILE, NAME": where errors about it point.
std::string place_of(const StoredTensor& tensor);

}  // namespace cce
