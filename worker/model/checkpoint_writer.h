#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "common/base/file.h"
#include "common/model/formats/export_format.h"
#include "worker/model/checkpoint.h"
#include "worker/model/host_layer.h"

namespace cce {

/// What a new checkpoint holds.
struct CheckpointContents {
  const ModelConfig& config;  ///< shapes of `layer`'s results, by the original's layer index
  std::function<HostLayer(std::int64_t)> layer;  ///< called at most once for each layer, in order
  const Checkpoint& original;            ///< gives embedding, head, config.json and the tokenizer's files
  std::optional<HostMatrix> final_norm;  ///< 1 × d; absent: the original's
};

struct CheckpointWriteSettings {
  ExportFormat format{};      ///< the first of formats.def
  DType dtype = DType::bf16;  ///< of every tensor: bf16, f16 or f32
  std::int64_t max_shard_bytes = 5'000'000'000;
};

/// Writes a checkpoint into an existing folder as the format's writer does (worker/model/formats): config.json,
/// model.safetensors (or shards with their index), the original's companion_files as they are, each synced. Tensors
/// are converted and appended one by one: memory is one layer, or the embedding. Whoever gave the folder publishes it.
/// Errors: impossible_combination and unsupported (the format cannot hold the shapes); shape_mismatch (a
/// layer that is not as `config` says); out_of_range (a number that the dtype rounds to infinity);
/// verification_failed (NaN or infinity); disk_full, io_failure.
void write_checkpoint(FileSystem& files, const std::filesystem::path& folder,
                      const CheckpointContents& contents, const CheckpointWriteSettings& settings);

/// Writes a small file whole and synced.
void write_text_file(FileSystem& files, const std::filesystem::path& path, std::string_view text);

}  // namespace cce
