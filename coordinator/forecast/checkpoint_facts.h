#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/cost/memory_forecast.h"
#include "common/model/model_config.h"

namespace cce {

/// A checkpoint as its config and headers show it. No tensor is read but, where config.json ties embeddings
/// and there is a head all the same, these two.
struct CheckpointFacts {
  ModelConfig config;
  std::int64_t tensor_bytes = 0;
  bool has_own_head =
      false;  ///< although config.json ties it: config is untied then (common/model/own_head.h)
};

/// The weight files of a folder: model.safetensors, or where it is not there those that the index lists.
std::vector<std::string> shard_names(const FileSystem& files, const std::filesystem::path& folder);

/// Reads config.json and the header of every shard, and checks that each tensor the architecture needs is
/// there with the right shape and a dtype for weights, so that a broken checkpoint is refused before anything
/// starts. Errors: missing_file (folder, config.json, shards), missing_tensor, shape_mismatch, unsupported (a
/// dtype), and those of the parsers.
CheckpointFacts inspect_checkpoint(const FileSystem& files, const std::filesystem::path& folder);

}  // namespace cce
