#include "common/model/checkpoint/checkpoint_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "common/base/error.h"
#include "common/base/unfetched_file.h"
#include "common/model/architecture.h"
#include "common/model/checkpoint/foreign_folder.h"
#include "common/model/checkpoint/fp8.h"
#include "common/model/checkpoint/quantization.h"
#include "common/model/own_head.h"
#include "common/model/safetensors_header.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

constexpr const char* single_file = "model.safetensors";
constexpr const char* index_file = "model.safetensors.index.json";

/// Endings of the files that a job reads or hands on.
bool is_read(const std::string& name) {
  constexpr std::array<std::string_view, 5> endings = {".json", ".safetensors", ".model", ".txt", ".jinja"};
  return std::any_of(endings.begin(), endings.end(),
                     [&name](std::string_view ending) { return name.ends_with(ending); });
}

void check_fetched(const FileSystem& files, const fs::path& folder) {
  for (const std::string& name : files.list(folder)) {
    if (is_read(name) && files.exists(folder / name) && !files.is_directory(folder / name)) {
      refuse_unfetched(files, folder / name);
    }
  }
}

void check_shard(const FileSystem& files, const fs::path& folder, const std::string& name,
                 std::size_t shards) {
  if (files.exists(folder / name)) {
    return;
  }
  const std::vector<std::string> names = files.list(folder);
  const bool is_link = std::binary_search(names.begin(), names.end(), name);
  throw Error{
      .code = ErrorCode::missing_file,
      .where = (folder / name).string(),
      .found = is_link ? "a link to a file that is not there" : "no such shard",
      .expected = std::to_string(shards) + " shards, as " + index_file + " lists",
      .remedy = is_link ? "Download the model again: hf download ORG/NAME fetches what is missing from its "
                          "cache"
                        : "Download the missing shard"};
}

/// The weight files: model.safetensors, or where it is not there those that the index lists.
std::vector<std::string> weight_files(const FileSystem& files, const fs::path& folder) {
  if (files.exists(folder / single_file)) {
    return {single_file};
  }
  const fs::path index = folder / index_file;
  if (!files.exists(index)) {
    refuse_foreign_folder(files, folder);
  }
  const std::vector<std::string> names = parse_shard_index(files.read_text(index), index.string()).files();
  for (const std::string& name : names) {
    check_shard(files, folder, name, names.size());
  }
  return names;
}

/// Names of what stands beside FP8 weights.
bool is_scale(const std::string& name) {
  constexpr std::array<std::string_view, 8> endings = {
      ".weight_scale_inv", ".weight_scale",     ".input_scale", ".input_scale_ub",
      ".output_scale",     ".activation_scale", ".k_scale",     ".v_scale"};
  return std::any_of(endings.begin(), endings.end(),
                     [&name](std::string_view ending) { return name.ends_with(ending); });
}

void check_dtype(const StoredTensor& tensor, bool may_be_fp8) {
  const std::string& dtype = tensor.values.dtype;
  if (dtype != "F32" && dtype != "F16" && dtype != "BF16" && !(may_be_fp8 && is_fp8(dtype))) {
    throw Error{.code = ErrorCode::unsupported,
                .where = place_of(tensor),
                .found = "dtype " + dtype,
                .expected = may_be_fp8 ? "F32, F16, BF16 or FP8" : "F32, F16 or BF16",
                .remedy = "Use the unquantised checkpoint, or convert it to one of these"};
  }
}

}  // namespace

CheckpointFiles CheckpointFiles::open(const FileSystem& files, const fs::path& folder) {
  CheckpointFiles checkpoint;
  checkpoint.folder_ = folder;
  const fs::path config_path = folder / "config.json";
  if (!files.exists(config_path)) {  // 1.
    refuse_foreign_folder(files, folder);
  }
  refuse_adapter(files, folder);
  check_fetched(files, folder);
  checkpoint.config_text_ = files.read_text(config_path);  // 2.
  checkpoint.config_ = parse_model_config(checkpoint.config_text_, config_path.string());
  for (const std::string& name : weight_files(files, folder)) {  // 3.
    checkpoint.add_shard(files, name);
  }
  checkpoint.complete_names();
  checkpoint.settle_scales();
  checkpoint.settle_head();
  checkpoint.check_tensors();  // 4.
  checkpoint.check_nothing_else();
  return checkpoint;
}

void CheckpointFiles::add_shard(const FileSystem& files, const std::string& file_name) {
  const fs::path path = folder_ / file_name;
  shards_.push_back(files.map_readonly(path));
  const std::span<const std::byte> bytes = shards_.back().bytes();
  const SafetensorsHeader header = parse_safetensors_header(bytes, path.string());
  for (const TensorEntry& entry : header.tensors) {
    if (is_ignorable_tensor(entry.name)) {
      continue;
    }
    const auto begin = static_cast<std::size_t>(header.data_offset + entry.begin);
    const StoredTensor tensor{
        .shape = entry.shape,
        .values = {bytes.subspan(begin, static_cast<std::size_t>(entry.bytes())), entry.dtype},
        .file = path,
        .stored_name = entry.name};
    if (!tensors_.emplace(entry.name, tensor).second) {
      throw Error{.code = ErrorCode::malformed_file,
                  .where = path.string() + ", " + entry.name,
                  .found = "a tensor that another shard holds too",
                  .expected = "each tensor once",
                  .remedy = "Remove shards of another version from the folder"};
    }
  }
}

/// Where the embedding stands under its name without the base model's prefix, all names lack it but the head's.
void CheckpointFiles::complete_names() {
  const std::string embedding = tensor_name(TensorRole::embedding, -1);
  const std::string prefix = embedding.substr(0, embedding.find('.') + 1);
  if (tensors_.contains(embedding) || !tensors_.contains(embedding.substr(prefix.size()))) {
    return;
  }
  const std::string head = tensor_name(TensorRole::head, -1);
  std::map<std::string, StoredTensor> complete;
  for (auto& [name, tensor] : tensors_) {
    complete.emplace(name == head || name.starts_with(prefix) ? name : prefix + name, std::move(tensor));
  }
  tensors_ = std::move(complete);
}

/// Gives FP8 weights their scales and drops what else stands beside them: scales of activations and caches, which
/// plain numbers have no need of.
void CheckpointFiles::settle_scales() {
  const Json document = parse_json(config_text_, (folder_ / "config.json").string());
  JsonReader reader(document, (folder_ / "config.json").string());
  const std::optional<Quantization> quantization = read_quantization(reader);
  if (!quantization) {
    return;
  }
  for (auto& [name, tensor] : tensors_) {
    if (!is_fp8(tensor.values.dtype)) {
      continue;
    }
    auto scales = tensors_.find(name + "_scale_inv");
    scales = scales != tensors_.end() ? scales : tensors_.find(name + "_scale");
    if (scales == tensors_.end()) {
      throw Error{
          .code = ErrorCode::missing_tensor,
          .where = place_of(tensor),
          .found = "an FP8 weight without scales",
          .expected = name + "_scale_inv or " + name + "_scale, as config.json's quantization_config asks",
          .remedy = "Check that config.json and the weights belong together and the download is whole"};
    }
    check_dtype(scales->second, false);
    attach_scales(tensor, scales->second, quantization->block);
  }
  std::erase_if(tensors_, [](const auto& entry) { return is_scale(entry.first); });
}

void CheckpointFiles::settle_head() {
  const auto embedding = tensors_.find(tensor_name(TensorRole::embedding, -1));
  const auto head = tensors_.find(tensor_name(TensorRole::head, -1));
  if (!config_.tied_embeddings || embedding == tensors_.end() || head == tensors_.end()) {
    return;
  }
  check_dtype(embedding->second, false);
  check_dtype(head->second, false);
  has_own_head_ = cce::has_own_head(embedding->second, head->second, folder_);
  if (has_own_head_) {
    config_.tied_embeddings = false;
  } else {
    tensors_.erase(head);
  }
}

void CheckpointFiles::check_tensors() const {
  for (const TensorSpec& spec : all_tensors(config_)) {
    const auto found = tensors_.find(spec.name);
    if (found == tensors_.end()) {
      throw Error{
          .code = ErrorCode::missing_tensor,
          .where = folder_.string() + ", " + spec.name,
          .found = "no such tensor",
          .expected = shape_text(spec.shape) + ", as config.json asks",
          .remedy = "Check that config.json and the weights belong together and the download is whole"};
    }
    check_dtype(found->second, true);
    if (found->second.shape != spec.shape) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = place_of(found->second),
                  .found = shape_text(found->second.shape),
                  .expected = shape_text(spec.shape) + ", as config.json asks",
                  .remedy = "Check that config.json and the weights belong together"};
    }
  }
}

void CheckpointFiles::check_nothing_else() const {
  const std::vector<TensorSpec> specs = all_tensors(config_);
  if (tensors_.size() == specs.size()) {
    return;
  }
  std::vector<std::string> known;
  for (const TensorSpec& spec : specs) {
    known.push_back(spec.name);
  }
  std::sort(known.begin(), known.end());
  for (const auto& [name, tensor] : tensors_) {
    if (std::binary_search(known.begin(), known.end(), name)) {
      continue;
    }
    const std::string remedy = remedy_for_unknown_tensor(name);
    throw Error{.code = ErrorCode::unsupported,
                .where = place_of(tensor),
                .found = "a tensor that " + config_.architecture + " with this config.json does not have",
                .expected = "only tensors of the architecture, so that none is dropped unseen",
                .remedy = !remedy.empty()
                              ? remedy
                              : "Check that config.json and the weights belong together; merge adapters "
                                "and undo quantisation before compressing"};
  }
}

std::int64_t CheckpointFiles::tensor_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : tensors_) {
    bytes += static_cast<std::int64_t>(tensor.values.bytes.size());
  }
  return bytes;
}

}  // namespace cce
