#include "coordinator/forecast/checkpoint_facts.h"

#include <map>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "common/model/architecture.h"
#include "common/model/safetensors_header.h"

namespace cce {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> shard_names(const FileSystem& files, const fs::path& folder) {
  const fs::path index = folder / "model.safetensors.index.json";
  if (files.exists(index)) {
    return parse_shard_index(files.read_text(index), index.string()).files();
  }
  return {"model.safetensors"};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t size : shape) {
    text += (text.empty() ? "" : " × ") + std::to_string(size);
  }
  return text.empty() ? "a scalar" : text;
}

void check_tensors(const ModelConfig& config, const std::map<std::string, std::vector<std::int64_t>>& shapes,
                   const fs::path& folder) {
  for (const TensorSpec& wanted : all_tensors(config)) {
    const auto found = shapes.find(wanted.name);
    if (found == shapes.end()) {
      throw Error{.code = ErrorCode::missing_tensor,
                  .where = folder.string(),
                  .found = "no tensor " + wanted.name,
                  .expected = shape_text(wanted.shape),
                  .remedy = "The checkpoint is incomplete: fetch it again"};
    }
    if (found->second != wanted.shape) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = folder.string() + ", tensor " + wanted.name,
                  .found = shape_text(found->second),
                  .expected = shape_text(wanted.shape),
                  .remedy = "Use the config.json that belongs to these weights"};
    }
  }
}

}  // namespace

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
  std::map<std::string, std::vector<std::int64_t>> shapes;
  for (const std::string& name : shard_names(files, folder)) {
    const fs::path shard = folder / name;
    if (!files.exists(shard)) {
      throw Error{.code = ErrorCode::missing_file,
                  .where = folder.string(),
                  .found = "no " + name,
                  .expected = "every shard of the checkpoint",
                  .remedy = "Fetch the missing file"};
    }
    const MappedFile mapped = files.map_readonly(shard);
    for (const TensorEntry& tensor : parse_safetensors_header(mapped.bytes(), shard.string()).tensors) {
      if (!is_ignorable_tensor(facts.config, tensor.name)) {
        check_weight_dtype(tensor, shard.string());
      }
      shapes[tensor.name] = tensor.shape;
      facts.tensor_bytes += tensor.bytes();
    }
  }
  check_tensors(facts.config, shapes, folder);
  return facts;
}

}  // namespace cce
