#include "coordinator/forecast/checkpoint_facts.h"

#include <map>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/model/architecture.h"
#include "common/model/own_head.h"
#include "common/model/safetensors_header.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) {
    text += (text.empty() ? "" : " × ") + std::to_string(size);
  }
  return text.empty() ? "a scalar" : text;
}

/// A tensor that the folder holds, in a file that is mapped as long as the facts are gathered.
using Tensors = std::map<std::string, StoredTensor>;

void check_tensors(const ModelConfig& config, const Tensors& tensors, const fs::path& folder) {
  for (const TensorSpec& wanted : all_tensors(config)) {
    const auto found = tensors.find(wanted.name);
    if (found == tensors.end()) {
      throw Error{.code = ErrorCode::missing_tensor,
                  .where = folder.string(),
                  .found = "no tensor " + wanted.name,
                  .expected = shape_text(wanted.shape),
                  .remedy = "The checkpoint is incomplete: fetch it again"};
    }
    if (found->second.shape != wanted.shape) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = folder.string() + ", tensor " + wanted.name,
                  .found = shape_text(found->second.shape),
                  .expected = shape_text(wanted.shape),
                  .remedy = "Use the config.json that belongs to these weights"};
    }
  }
}

/// The head that config.json ties and the weights do not, where there is one.
void settle_head(const Tensors& tensors, const fs::path& folder, CheckpointFacts& facts) {
  const auto embedding = tensors.find(tensor_name(TensorRole::embedding, -1));
  const auto head = tensors.find(tensor_name(TensorRole::head, -1));
  if (facts.config.tied_embeddings && embedding != tensors.end() && head != tensors.end() &&
      has_own_head(embedding->second, head->second, folder)) {
    facts.config.tied_embeddings = false;
    facts.has_own_head = true;
  }
}

}  // namespace

std::vector<std::string> shard_names(const FileSystem& files, const fs::path& folder) {
  const std::string single_file = "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  if (files.exists(folder / single_file) || !files.exists(index)) {  // as the workers and transformers choose
    return {single_file};
  }
  return parse_shard_index(files.read_text(index), index.string()).files();
}

CheckpointFacts inspect_checkpoint(const FileSystem& files, const fs::path& folder) {
  const fs::path config_file = folder / "config.json";
  if (!files.exists(config_file)) {
    throw Error{.code = ErrorCode::missing_file,
                .where = "model",
                .found = files.is_directory(folder) ? folder.string() + " without config.json"
                                                    : "no folder " + folder.string(),
                .expected = "a Hugging Face folder: config.json and *.safetensors",
                .remedy = "Name the folder with --model or the recipe's model key"};
  }
  CheckpointFacts facts{.config = parse_model_config(files.read_text(config_file), config_file.string())};
  Tensors tensors;
  std::vector<MappedFile> shards;
  for (const std::string& name : shard_names(files, folder)) {
    const fs::path shard = folder / name;
    if (!files.exists(shard)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = folder.string(),
                  .found = "no " + name,
                  .expected = "every shard of the checkpoint",
                  .remedy = "Fetch the missing file"};
    }
    shards.push_back(files.map_readonly(shard));
    const SafetensorsHeader header = parse_safetensors_header(shards.back().bytes(), shard.string());
    for (const TensorEntry& tensor : header.tensors) {
      facts.tensor_bytes += tensor.bytes();
      if (is_ignorable_tensor(tensor.name)) {
        continue;
      }
      check_weight_dtype(tensor, shard.string());
      const auto bytes =
          shards.back().bytes().subspan(static_cast<std::size_t>(header.data_offset + tensor.begin),
                                        static_cast<std::size_t>(tensor.bytes()));
      tensors[tensor.name] = {tensor.shape, {bytes, tensor.dtype}};
    }
  }
  settle_head(tensors, folder, facts);
  check_tensors(facts.config, tensors, folder);
  return facts;
}

}  // namespace cce
