#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "worker/model/checkpoint.h"
#include "worker/model/checkpoint_writer.h"
#include "worker/model/model_runner.h"

namespace cce {

/// A result as its files say it, ready to be run: what is compared with the model in memory before a job calls
/// itself finished.
struct ReadBack {
  std::shared_ptr<const void> owner;  ///< of what the rest borrows
  ModelConfig config;
  EndWeights ends;
  LayerProvider layers;
  std::int64_t tensor_bytes = 0;
};

/// How a format's files are written and read. Its rules are common/model/formats/NAME.cpp.
struct FormatWriter {
  /// What a tensor of this kind is stored as where the recipe asks for a dtype.
  DType (*stored_dtype)(PartKind kind, DType asked);
  /// What goes into a result beside the model, as paths inside the original's folder (companion_files.h).
  std::vector<std::string> (*companions)(const FileSystem& files, const std::filesystem::path& original);
  /// Writes every file of a result into an existing folder. Errors: those of write_checkpoint.
  void (*write)(FileSystem& files, const std::filesystem::path& folder, const CheckpointContents& contents,
                const CheckpointWriteSettings& settings);
  /// Errors: those of Checkpoint::open.
  ReadBack (*read_back)(Backend& backend, const FileSystem& files, const std::filesystem::path& folder,
                        DType compute_dtype);
};

const FormatWriter& writer_of(ExportFormat format);

// For formats that are Hugging Face folders.

/// Every tensor as the recipe asks.
DType stored_as_asked(PartKind kind, DType asked);

/// config.json, model.safetensors (or shards with their index), and the original's companion_files.
void write_hugging_face(FileSystem& files, const std::filesystem::path& folder,
                        const CheckpointContents& contents, const CheckpointWriteSettings& settings);
ReadBack read_hugging_face(Backend& backend, const FileSystem& files, const std::filesystem::path& folder,
                           DType compute_dtype);

}  // namespace cce
