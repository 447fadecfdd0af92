#include "worker/model/checkpoint.h"

#include <algorithm>

#include "common/base/error.h"
#include "common/model/stored_form.h"
#include "worker/model/element_conversion.h"
#include "worker/model/stored_rows.h"

namespace cce {

Checkpoint Checkpoint::open(const FileSystem& files, const std::filesystem::path& folder) {
  return Checkpoint(CheckpointFiles::open(files, folder));
}

const StoredTensor& Checkpoint::tensor(TensorRole role, std::int64_t layer) const {
  const auto found = files_.tensors().find(tensor_name(config(), role, layer));
  if (found != files_.tensors().end()) return found->second;
  throw Error{.code = ErrorCode::invalid_argument,
              .where = folder().string(),
              .found = tensor_name(config(), role, layer),
              .expected = "a tensor that the model has",
              .remedy = {}};
}

void Checkpoint::pack_layer(std::int64_t layer, DType compute_dtype, std::span<std::byte> block) const {
  if (layer < 0 || layer >= static_cast<std::int64_t>(config().layers.size())) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = folder().string(),
                .found = "layer " + std::to_string(layer),
                .expected = "below " + std::to_string(config().layers.size()),
                .remedy = {}};
  }
  const LayerShape& shape = config().layers[static_cast<std::size_t>(layer)];
  LayerWeightsMutable weights = writable_packed_layer(shape, config().hidden_size, compute_dtype, block);
  for (const TensorRole role : layer_roles()) {
    const Matrix& view = part_view(weights, role);
    if (view.empty()) continue;
    const std::size_t bytes = static_cast<std::size_t>(view.rows * view.cols) * size_in_bytes(view.dtype);
    read(role, layer, view.dtype, {view.as<std::byte>(), bytes});
  }
}

void Checkpoint::read(TensorRole role, std::int64_t layer, DType dtype, std::span<std::byte> target) const {
  const StoredForm form = stored_form(config(), role);
  if (form.is_plain()) return read_stored(role, layer, dtype, target);
  std::vector<float> values(target.size() / size_in_bytes(dtype));
  read_stored(role, layer, DType::f32, std::as_writable_bytes(std::span(values)));
  for (float& value : values) value = form.value_of(value);
  convert_elements(std::as_bytes(std::span(values)), DType::f32, target, dtype);
}

void Checkpoint::read_stored(TensorRole role, std::int64_t layer, DType dtype,
                             std::span<std::byte> target) const {
  const StoredTensor& source = tensor(role, layer);
  read_rows(source, 0, stored_rows(source), dtype, target);
}

OwnedMatrix Checkpoint::load(Backend& backend, TensorRole role, DType dtype) const {
  constexpr std::int64_t chunk_bytes = std::int64_t{4}
                                       << 20;  // staged, so that a large table is not held twice
  const StoredTensor& source = tensor(role, -1);
  const std::int64_t rows = stored_rows(source);
  const std::int64_t cols = stored_columns(source);
  OwnedMatrix result = backend.matrix(dtype, rows, cols);
  const std::size_t target_row = static_cast<std::size_t>(cols) * size_in_bytes(dtype);
  const std::int64_t chunk_rows =
      std::clamp<std::int64_t>(chunk_bytes / static_cast<std::int64_t>(target_row), 1, rows);
  std::vector<std::byte> staged(static_cast<std::size_t>(chunk_rows) * target_row);
  for (std::int64_t row = 0; row < rows; row += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, rows - row);
    read_rows(source, row, count, dtype,
              std::span(staged).first(static_cast<std::size_t>(count) * target_row));
    backend.upload(ConstMatrix{staged.data(), dtype, count, cols, cols}, result.view().rows_from(row, count));
  }
  return result;
}

OwnedMatrix Checkpoint::embedding(Backend& backend, DType dtype) const {
  return load(backend, TensorRole::embedding, dtype);
}

OwnedMatrix Checkpoint::final_norm(Backend& backend) const {
  const std::int64_t size = config().hidden_size;
  std::vector<float> gain(static_cast<std::size_t>(size));
  read(TensorRole::final_norm, -1, DType::f32, std::as_writable_bytes(std::span(gain)));
  OwnedMatrix result = backend.matrix(DType::f32, 1, size);
  backend.upload({gain.data(), DType::f32, 1, size, size}, result.view());
  return result;
}

OwnedMatrix Checkpoint::head(Backend& backend, DType dtype) const {
  return load(backend, config().tied_embeddings ? TensorRole::embedding : TensorRole::head, dtype);
}

EndWeights Checkpoint::end_weights(Backend& backend, DType dtype) const {
  EndWeights weights;
  weights.embedding = embedding(backend, dtype);
  weights.final_norm = final_norm(backend);
  if (!config().tied_embeddings) weights.own_head = head(backend, dtype);
  return weights;
}

}  // namespace cce
