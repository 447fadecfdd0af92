#pragma once
#include <cstdint>
#include <filesystem>

#include "worker/passes/encoded_layers.h"

namespace cce {

/// Writes the compressed checkpoint into `folder` (which exists), reads it back and compares its logits with
/// those of the layers in memory (docs/method.md 5). Rank 0 alone writes and compares. Returns the exported
/// tensors' bytes (0 on other ranks). Collective only in its stage events. Errors: verification_failed;
/// impossible_combination, unsupported (the format cannot hold the shapes); disk_full.
std::int64_t export_result(StageContext& context, const ModelConfig& compressed, EncodedLayers& layers,
                           const std::filesystem::path& folder);

}  // namespace cce
