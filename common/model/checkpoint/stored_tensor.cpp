#include "common/model/checkpoint/stored_tensor.h"

namespace cce {

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

std::string place_of(const StoredTensor& tensor) {
  return tensor.file.string() + ", " + tensor.stored_name;
}

}  // namespace cce
