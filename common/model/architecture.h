#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/layer_parts.h"
#include "common/model/model_config.h"

namespace cce {

struct TensorSpec {
  TensorRole role = TensorRole::embedding;
  std::int64_t layer = -1;  ///< -1 outside the layers
  std::string name;         ///< as in the checkpoint
  std::vector<std::int64_t> shape;
};

/// "q", "attention_norm", ...: for messages and reports.
std::string role_name(TensorRole role);

/// "model.layers.7.self_attn.q_proj.weight", as most families have it; `layer` is ignored for embedding, final_norm and
/// head, which are called the same in all.
std::string tensor_name(TensorRole role, std::int64_t layer);
/// The same as `config`'s family has it.
std::string tensor_name(const ModelConfig& config, TensorRole role, std::int64_t layer);

/// The shape that `config` gives a tensor.
/// Errors: invalid_argument where the layer has no such tensor (no attention, no bias) or the index is out of
/// range.
std::vector<std::int64_t> tensor_shape(const ModelConfig& config, TensorRole role, std::int64_t layer);

/// Whether the model has this tensor: biases by layer, the norm of a removed block goes with it, head by
/// tying.
bool has_tensor(const ModelConfig& config, TensorRole role, std::int64_t layer);

/// All tensors of one layer, norms first within each block, and of the whole model in the order of computing.
std::vector<TensorSpec> layer_tensors(const ModelConfig& config, std::int64_t layer);
std::vector<TensorSpec> all_tensors(const ModelConfig& config);

/// Tensors that old checkpoints carry and nothing reads (rotary_emb.inv_freq).
bool is_ignorable_tensor(const std::string& name);

}  // namespace cce
