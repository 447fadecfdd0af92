#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/base/file.h"
#include "common/model/safetensors_header.h"
#include "tests/worker/test_model.h"
#include "worker/model/block.h"
#include "worker/model/checkpoint.h"
#include "worker/model/host_layer.h"

namespace cce {

/// What transformers computed with tests/data/models/NAME: tests/goldens/model_NAME.safetensors, made by
/// scripts/conformance/model_goldens.py.
class ModelGolden {
 public:
  explicit ModelGolden(const std::string& name) : ModelGolden(At{}, "model_" + name) {}
  /// Any other golden of tensors: tests/goldens/NAME.safetensors.
  static ModelGolden at(const std::string& name) { return ModelGolden(At{}, name); }

  bool has(const std::string& tensor) const { return header_.find(tensor) != nullptr; }

  /// An F32 tensor as rows × last dimension.
  HostMatrix matrix(const std::string& tensor) const {
    const TensorEntry* entry = header_.find(tensor);
    if (entry == nullptr || entry->dtype != "F32") {
      throw Error{
          .code = ErrorCode::missing_tensor, .where = tensor, .found = {}, .expected = "F32", .remedy = {}};
    }
    const std::int64_t cols = entry->shape.back();
    HostMatrix result(entry->bytes() / 4 / cols, cols);
    const auto begin = static_cast<std::size_t>(header_.data_offset + entry->begin);
    std::memcpy(result.values.data(), file_.bytes().data() + begin, static_cast<std::size_t>(entry->bytes()));
    return result;
  }

  std::vector<std::int32_t> tokens() const {
    const HostMatrix values = matrix("tokens");
    std::vector<std::int32_t> ids;
    for (const float value : values.values) ids.push_back(static_cast<std::int32_t>(value));
    return ids;
  }
  TokenBatch batch() const {
    const HostMatrix values = matrix("tokens");
    return {values.rows, values.cols};
  }

 private:
  struct At {};
  ModelGolden(At, const std::string& name)
      : file_(PosixFileSystem().map_readonly(std::filesystem::path(CCE_TESTS_DIR) / "goldens" /
                                             (name + ".safetensors"))),
        header_(parse_safetensors_header(file_.bytes(), name)) {}

  MappedFile file_;
  SafetensorsHeader header_;
};

/// Copies a backend's f32 matrix.
inline HostMatrix downloaded(Backend& backend, ConstMatrix source) {
  HostMatrix result(source.rows, source.cols);
  backend.download(source, result.view());
  return result;
}

inline OwnedMatrix uploaded(Backend& backend, const HostMatrix& source) {
  OwnedMatrix result = backend.matrix(DType::f32, source.rows, source.cols);
  backend.upload(source.view(), result.view());
  return result;
}

/// max |a − b| / max |b|.
inline double relative_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
    if (std::isnan(a[i])) return std::numeric_limits<double>::infinity();
  }
  return difference / largest;
}

}  // namespace cce
