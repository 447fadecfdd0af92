#include "worker/model/formats/written_tensors.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/model/formats/format.h"
#include "common/model/stored_form.h"
#include "common/model/weight_values.h"
#include "worker/model/element_conversion.h"

namespace cce {
namespace {

[[noreturn]] void refuse_value(const WrittenTensor& tensor, const UnheldValues& found) {
  const std::string place = " at element " + std::to_string(found.first) + ", " +
                            std::to_string(found.count) + (found.count == 1 ? " such value" : " such values");
  if (std::isinf(found.value) && tensor.dtype != DType::f32) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = tensor.spec.name,
                .found = "a number that is infinite in " + std::string(name(tensor.dtype)) + place,
                .expected = "numbers that export.dtype holds",
                .remedy = "Write the result in f32: cce export JOB --dtype f32"};
  }
  throw Error{.code = ErrorCode::verification_failed,
              .where = tensor.spec.name,
              .found = std::string(std::isnan(found.value) ? "NaN" : "infinity") + place,
              .expected = "finite weights in the result",
              .remedy = "Report this with the job directory: the weights that were read are finite"};
}

[[noreturn]] void refuse(const WrittenTensor& tensor, const std::string& found) {
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = tensor.spec.name,
              .found = found,
              .expected = "the shape in the model's config",
              .remedy = {}};
}

}  // namespace

PartKind kind_of(TensorRole role) {
  switch (role) {
    case TensorRole::embedding:
    case TensorRole::head:
      return PartKind::matrix;
    case TensorRole::final_norm:
      return PartKind::gain;
    default:
      return layer_part(role).kind;
  }
}

WrittenModel written_model(const ModelConfig& config, ExportFormat format, DType (*dtype_of)(PartKind, DType),
                           DType dtype) {
  std::vector<std::int64_t> source_layers(config.layers.size());
  std::iota(source_layers.begin(), source_layers.end(), 0);
  WrittenModel written{.config = config, .tensors = {}};
  if (rules_of(format).drops_empty_layers) {
    source_layers.clear();
    written.config = drop_empty_layers(config, &source_layers);
  }
  for (TensorSpec& spec : all_tensors(written.config)) {
    WrittenTensor tensor{.spec = std::move(spec)};
    tensor.dtype = dtype_of(kind_of(tensor.spec.role), dtype);
    tensor.bytes = static_cast<std::int64_t>(size_in_bytes(tensor.dtype));
    for (const std::int64_t extent : tensor.spec.shape) tensor.bytes *= extent;
    if (tensor.spec.layer >= 0) {
      tensor.source_layer = source_layers[static_cast<std::size_t>(tensor.spec.layer)];
    }
    written.tensors.push_back(std::move(tensor));
  }
  return written;
}

std::span<std::byte> WrittenTensorReader::read(const WrittenTensor& tensor) {
  fill(tensor);
  const StoredValues values{bytes_, safetensors_name(tensor.dtype)};
  if (const std::optional<UnheldValues> found = find_unheld_values(values)) refuse_value(tensor, *found);
  return bytes_;
}

void WrittenTensorReader::fill(const WrittenTensor& tensor) {
  const TensorRole role = tensor.spec.role;
  bytes_.resize(static_cast<std::size_t>(tensor.bytes));
  if (tensor.source_layer < 0) {
    if (role == TensorRole::final_norm && contents_.final_norm) {
      convert(*contents_.final_norm, tensor);
    } else {
      contents_.original.read_stored(role, -1, tensor.dtype, bytes_);
    }
    return;
  }
  if (tensor.source_layer != current_) {
    layer_ = contents_.layer(tensor.source_layer);
    current_ = tensor.source_layer;
    const LayerShape& expected = contents_.config.layers[static_cast<std::size_t>(current_)];
    if (layer_.shape != expected) refuse(tensor, "another shape than the model's config says");
  }
  convert(part_view(layer_, role), tensor);
}

void WrittenTensorReader::convert(const HostMatrix& source, const WrittenTensor& tensor) {
  const auto elements = static_cast<std::size_t>(tensor.bytes) / size_in_bytes(tensor.dtype);
  const std::vector<std::int64_t>& shape = tensor.spec.shape;
  const std::int64_t rows = shape.size() == 2 ? shape[0] : 1;
  if (source.values.size() != elements || source.rows != rows) {
    refuse(tensor, std::to_string(source.rows) + " × " + std::to_string(source.cols));
  }
  const StoredForm form = stored_form(contents_.config, tensor.spec.role);
  if (form.is_plain())
    return convert_elements(std::as_bytes(std::span(source.values)), DType::f32, bytes_, tensor.dtype);
  std::vector<float> stored(source.values.size());
  std::transform(source.values.begin(), source.values.end(), stored.begin(),
                 [&form](float value) { return form.stored_of(value); });
  convert_elements(std::as_bytes(std::span(stored)), DType::f32, bytes_, tensor.dtype);
}

}  // namespace cce
