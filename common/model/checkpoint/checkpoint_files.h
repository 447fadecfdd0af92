#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/model/checkpoint/stored_tensor.h"
#include "common/model/model_config.h"

namespace cce {

/// A Hugging Face folder, mapped and checked, as both programs read it: config.json with model.safetensors, or
/// its shards and their index; links to files elsewhere are files (a snapshot in the hub client's cache).
/// Nothing of a tensor is read but, where config.json ties embeddings and there is a head all the same, these
/// two. Immutable: threads may share it.
class CheckpointFiles {
 public:
  /// Checks everything that can be without reading weights:
  ///   1. the folder is a checkpoint and its files have been fetched   2. config.json   3. every shard's header
  ///   4. each tensor that the architecture needs is there once, with its shape and a dtype for weights, and
  ///      nothing else is, so that none is dropped unseen
  /// Names may lack the prefix of the base model ("layers.0…" for "model.layers.0…"), as transformers allows.
  /// FP8 weights have their scales with them. A head beside a tied embedding counts where its values are its own (own_head.h): config() is untied then.
  /// Errors: missing_file, malformed_file, unsupported (model, dtype, tensors that the architecture does not
  /// know), missing_tensor, shape_mismatch, each with file, tensor and remedy; those of the parsers.
  static CheckpointFiles open(const FileSystem& files, const std::filesystem::path& folder);

  const std::filesystem::path& folder() const { return folder_; }
  const ModelConfig& config() const { return config_; }
  const std::string& config_text() const { return config_text_; }  ///< config.json as it was read
  /// Whether the head is one of its own although config.json ties it.
  bool has_own_head() const { return has_own_head_; }

  /// The architecture's weights by tensor_name().
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  std::int64_t tensor_bytes() const;  ///< of these, as stored

 private:
  void add_shard(const FileSystem& files, const std::string& file_name);
  void complete_names();
  void settle_scales();
  void settle_head();
  void check_tensors() const;
  void check_nothing_else() const;

  std::filesystem::path folder_;
  ModelConfig config_;
  std::string config_text_;
  std::vector<MappedFile> shards_;
  std::map<std::string, StoredTensor> tensors_;
  bool has_own_head_ = false;
};

}  // namespace cce
