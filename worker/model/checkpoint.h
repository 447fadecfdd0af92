#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/base/file.h"
#include "common/model/architecture.h"
#include "common/model/model_config.h"
#include "worker/model/layer_weights.h"
#include "worker/tensor/backend.h"

namespace cce {

/// Parameters outside the layers, in a backend's memory. A tied head shares the embedding's bytes.
struct EndWeights {
  OwnedMatrix embedding;   ///< V × d, compute dtype
  OwnedMatrix final_norm;  ///< 1 × d, f32
  OwnedMatrix own_head;    ///< V × d, compute dtype; empty where tied

  ConstMatrix head() const { return own_head.rows() > 0 ? own_head.view() : embedding.view(); }
};

/// A Hugging Face folder, mapped and checked: config.json with model.safetensors, or its shards and their
/// index. Everything is checked on opening, before anything is computed: each tensor that the architecture
/// needs is there once, with its shape and a dtype that is read (F32, F16, BF16), and nothing else is. A head
/// beside a tied embedding counts where its values are its own (common/model/own_head.h): config() is untied then.
/// Threads may share it; the matrices it makes belong to the caller.
class Checkpoint {
 public:
  /// Errors: missing_file (config, weights, a shard), malformed_file, unsupported (model, dtype, tensors that
  /// the architecture does not know), missing_tensor, shape_mismatch; each with file, tensor and remedy.
  static Checkpoint open(const FileSystem& files, const std::filesystem::path& folder);

  const ModelConfig& config() const { return config_; }
  const std::string& config_text() const { return config_text_; }  ///< config.json as it was read
  const std::filesystem::path& folder() const { return folder_; }
  std::int64_t tensor_bytes() const;
  /// Whether the head is one of its own although config.json ties it.
  bool has_own_head() const { return has_own_head_; }

  /// Fills a block of packed_layer_bytes(shape of `layer`, hidden size, compute_dtype) with the layer's
  /// parameters, matrices rounded to nearest even for bf16. Errors: out_of_range, shape_mismatch (block too
  /// small).
  void pack_layer(std::int64_t layer, DType compute_dtype, std::span<std::byte> block) const;

  /// Copies one tensor to host memory as f32, bf16 or f16; `target` holds exactly its elements.
  void read(TensorRole role, std::int64_t layer, DType dtype, std::span<std::byte> target) const;

  OwnedMatrix embedding(Backend& backend, DType dtype) const;
  OwnedMatrix final_norm(Backend& backend) const;
  /// The tied embedding where the checkpoint has no head of its own.
  OwnedMatrix head(Backend& backend, DType dtype) const;
  EndWeights end_weights(Backend& backend, DType dtype) const;

 private:
  struct Tensor {
    std::span<const std::byte> bytes;
    DType dtype = DType::f32;
    std::vector<std::int64_t> shape;
  };
  Checkpoint() = default;
  void add_shard(const FileSystem& files, const std::string& file_name);
  void settle_head();
  void check_tensors() const;
  const Tensor& tensor(TensorRole role, std::int64_t layer) const;
  OwnedMatrix load(Backend& backend, TensorRole role, DType dtype) const;

  std::filesystem::path folder_;
  ModelConfig config_;
  std::string config_text_;
  std::vector<MappedFile> shards_;
  std::map<std::string, Tensor> tensors_;
  bool has_own_head_ = false;
};

}  // namespace cce
