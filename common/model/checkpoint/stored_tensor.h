#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/model/weight_values.h"

namespace cce {

/// A weight of a checkpoint as its file holds it; the bytes belong to the mapped file.
struct StoredTensor {
  std::vector<std::int64_t> shape;
  StoredValues values;
  std::filesystem::path file = {};
  std::string stored_name = {};  ///< in that file
};

/// "[40, 32]"; "[]" of a scalar.
std::string shape_text(const std::vector<std::int64_t>& shape);

/// "FILE, NAME": where errors about it point.
std::string place_of(const StoredTensor& tensor);

}  // namespace cce
