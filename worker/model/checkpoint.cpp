#include "worker/model/checkpoint.h"

#include <algorithm>
#include <utility>

#include "common/base/error.h"
#include "common/model/own_head.h"
#include "common/model/safetensors_header.h"
#include "worker/model/element_conversion.h"

namespace cce {
namespace {

constexpr const char* single_file = "model.safetensors";
constexpr const char* index_file = "model.safetensors.index.json";

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape) {
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  }
  return text + "]";
}

DType stored_dtype_of(const TensorEntry& tensor, const std::filesystem::path& shard) {
  check_weight_dtype(tensor, shard.string());
  return tensor.dtype == "F32" ? DType::f32 : tensor.dtype == "F16" ? DType::f16 : DType::bf16;
}

[[noreturn]] void refuse_folder(const FileSystem& files, const std::filesystem::path& folder) {
  Error error{.code = ErrorCode::missing_file,
              .where = folder.string(),
              .found = std::string("neither ") + single_file + " nor " + index_file,
              .expected = "a Hugging Face checkpoint in safetensors",
              .remedy = "Download the model again with its *.safetensors files"};
  if (files.exists(folder / "pytorch_model.bin") || files.exists(folder / "pytorch_model.bin.index.json")) {
    error.found += ", but pytorch_model.bin";
    error.remedy = "Load it in transformers and save_pretrained it: that writes safetensors";
  }
  throw error;
}

/// Shard files of a folder and, where an index says so, which tensors each must hold.
ShardIndex read_index(const FileSystem& files, const std::filesystem::path& folder) {
  if (files.exists(folder / single_file)) return {};
  if (!files.exists(folder / index_file)) refuse_folder(files, folder);
  const std::filesystem::path path = folder / index_file;
  ShardIndex index = parse_shard_index(files.read_text(path), path.string());
  for (const std::string& name : index.files()) {
    if (files.exists(folder / name)) continue;
    throw Error{.code = ErrorCode::missing_file,
                .where = (folder / name).string(),
                .found = "no such shard",
                .expected = std::to_string(index.files().size()) + " shards, as " + index_file + " lists",
                .remedy = "Download the missing shard"};
  }
  return index;
}

}  // namespace

Checkpoint Checkpoint::open(const FileSystem& files, const std::filesystem::path& folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  const std::filesystem::path config_path = folder / "config.json";
  if (!files.exists(config_path)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = config_path.string(),
                .found = "no such file",
                .expected = "the config.json of a Hugging Face model",
                .remedy = "Give the folder that holds config.json and the weights"};
  }
  checkpoint.config_text_ = files.read_text(config_path);
  checkpoint.config_ = parse_model_config(checkpoint.config_text_, config_path.string());

  const ShardIndex index = read_index(files, folder);
  if (index.file_of_tensor.empty()) {
    checkpoint.add_shard(files, single_file);
  }
  for (const std::string& name : index.files()) checkpoint.add_shard(files, name);
  checkpoint.settle_head();
  checkpoint.check_tensors();
  return checkpoint;
}

void Checkpoint::settle_head() {
  const auto embedding = tensors_.find(tensor_name(TensorRole::embedding, -1));
  const auto head = tensors_.find(tensor_name(TensorRole::head, -1));
  if (!config_.tied_embeddings || embedding == tensors_.end() || head == tensors_.end()) return;
  const auto stored = [](const Tensor& tensor) {
    return StoredTensor{tensor.shape, {tensor.bytes, safetensors_name(tensor.dtype)}};
  };
  has_own_head_ = cce::has_own_head(stored(embedding->second), stored(head->second), folder_);
  if (has_own_head_) {
    config_.tied_embeddings = false;
  } else {
    tensors_.erase(head);
  }
}

void Checkpoint::add_shard(const FileSystem& files, const std::string& file_name) {
  const std::filesystem::path path = folder_ / file_name;
  shards_.push_back(files.map_readonly(path));
  const std::span<const std::byte> bytes = shards_.back().bytes();
  const SafetensorsHeader header = parse_safetensors_header(bytes, path.string());
  for (const TensorEntry& entry : header.tensors) {
    if (is_ignorable_tensor(entry.name)) continue;
    const DType dtype = stored_dtype_of(entry, path);
    const auto begin = static_cast<std::size_t>(header.data_offset + entry.begin);
    const Tensor tensor{bytes.subspan(begin, static_cast<std::size_t>(entry.bytes())), dtype, entry.shape};
    if (!tensors_.emplace(entry.name, tensor).second) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = path.string() + ", " + entry.name,
                  .found = "a tensor that another shard holds too",
                  .expected = "each tensor once",
                  .remedy = "Remove shards of another version from the folder"};
    }
  }
}

void Checkpoint::check_tensors() const {
  const std::vector<TensorSpec> specs = all_tensors(config_);
  for (const TensorSpec& spec : specs) {
    const auto found = tensors_.find(spec.name);
    if (found == tensors_.end()) {
      throw Error{
          .code = ErrorCode::missing_tensor,
          .where = folder_.string() + ", " + spec.name,
          .found = "no such tensor",
          .expected = shape_text(spec.shape) + ", as config.json asks",
          .remedy = "Check that config.json and the weights belong together and the download is whole"};
    }
    if (found->second.shape != spec.shape) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = folder_.string() + ", " + spec.name,
                  .found = shape_text(found->second.shape),
                  .expected = shape_text(spec.shape) + ", as config.json asks",
                  .remedy = "Check that config.json and the weights belong together"};
    }
  }
  if (tensors_.size() == specs.size()) return;
  std::vector<std::string> known;
  for (const TensorSpec& spec : specs) known.push_back(spec.name);
  std::sort(known.begin(), known.end());
  for (const auto& [name, tensor] : tensors_) {
    if (std::binary_search(known.begin(), known.end(), name)) continue;
    throw Error{.code = ErrorCode::unsupported,
                .where = folder_.string() + ", " + name,
                .found = "a tensor that " + config_.architecture + " with this config.json does not have",
                .expected = "only tensors of the architecture, so that none is dropped unseen",
                .remedy = "Merge adapters into the model and undo quantisation before compressing it"};
  }
}

std::int64_t Checkpoint::tensor_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) bytes += static_cast<std::int64_t>(tensor.bytes.size());
  return bytes;
}

const Checkpoint::Tensor& Checkpoint::tensor(TensorRole role, std::int64_t layer) const {
  const auto found = tensors_.find(tensor_name(role, layer));
  if (found != tensors_.end()) return found->second;
  throw Error{.code = ErrorCode::invalid_argument,
              .where = folder_.string(),
              .found = tensor_name(role, layer),
              .expected = "a tensor that the model has",
              .remedy = {}};
}

void Checkpoint::pack_layer(std::int64_t layer, DType compute_dtype, std::span<std::byte> block) const {
  if (layer < 0 || layer >= static_cast<std::int64_t>(config_.layers.size())) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = folder_.string(),
                .found = "layer " + std::to_string(layer),
                .expected = "below " + std::to_string(config_.layers.size()),
                .remedy = {}};
  }
  const LayerShape& shape = config_.layers[static_cast<std::size_t>(layer)];
  LayerWeightsMutable weights = writable_packed_layer(shape, config_.hidden_size, compute_dtype, block);
  for (const TensorRole role : layer_roles()) {
    const Matrix& view = part_view(weights, role);
    if (view.empty()) continue;
    const std::size_t bytes = static_cast<std::size_t>(view.rows * view.cols) * size_in_bytes(view.dtype);
    read(role, layer, view.dtype, {view.as<std::byte>(), bytes});
  }
}

void Checkpoint::read(TensorRole role, std::int64_t layer, DType dtype, std::span<std::byte> target) const {
  const Tensor& source = tensor(role, layer);
  convert_elements(source.bytes, source.dtype, target, dtype);
}

OwnedMatrix Checkpoint::load(Backend& backend, TensorRole role, DType dtype) const {
  constexpr std::int64_t chunk_bytes = std::int64_t{4}
                                       << 20;  // staged, so that a large table is not held twice
  const Tensor& source = tensor(role, -1);
  const bool is_matrix = source.shape.size() == 2;
  const std::int64_t rows = is_matrix ? source.shape[0] : 1;
  const std::int64_t cols = source.shape.back();
  OwnedMatrix result = backend.matrix(dtype, rows, cols);
  const std::size_t source_row = static_cast<std::size_t>(cols) * size_in_bytes(source.dtype);
  const std::size_t target_row = static_cast<std::size_t>(cols) * size_in_bytes(dtype);
  const std::int64_t chunk_rows =
      std::clamp<std::int64_t>(chunk_bytes / static_cast<std::int64_t>(target_row), 1, rows);
  std::vector<std::byte> staged(static_cast<std::size_t>(chunk_rows) * target_row);
  for (std::int64_t row = 0; row < rows; row += chunk_rows) {
    const std::int64_t count = std::min(chunk_rows, rows - row);
    const auto size = static_cast<std::size_t>(count);
    convert_elements(source.bytes.subspan(static_cast<std::size_t>(row) * source_row, size * source_row),
                     source.dtype, std::span(staged).first(size * target_row), dtype);
    backend.upload(ConstMatrix{staged.data(), dtype, count, cols, cols}, result.view().rows_from(row, count));
  }
  return result;
}

OwnedMatrix Checkpoint::embedding(Backend& backend, DType dtype) const {
  return load(backend, TensorRole::embedding, dtype);
}

OwnedMatrix Checkpoint::final_norm(Backend& backend) const {
  return load(backend, TensorRole::final_norm, DType::f32);
}

OwnedMatrix Checkpoint::head(Backend& backend, DType dtype) const {
  return load(backend, config_.tied_embeddings ? TensorRole::embedding : TensorRole::head, dtype);
}

EndWeights Checkpoint::end_weights(Backend& backend, DType dtype) const {
  EndWeights weights;
  weights.embedding = embedding(backend, dtype);
  weights.final_norm = final_norm(backend);
  if (!config_.tied_embeddings) weights.own_head = head(backend, dtype);
  return weights;
}

}  // namespace cce
