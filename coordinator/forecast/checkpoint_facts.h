#pragma once
#include <cstdint>
#include <filesystem>

#include "common/base/file.h"
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

/// Errors: those of CheckpointFiles::open, so that what a worker would refuse is refused before anything starts.
CheckpointFacts inspect_checkpoint(const FileSystem& files, const std::filesystem::path& folder);

}  // namespace cce
