#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "common/model/model_config.h"

namespace cce {

/// What a tensor of the checkpoint is for. Matrices are stored out × in (PyTorch's Linear), as the shapes
/// here say.
enum class TensorRole {
  embedding,       ///< vocabulary × hidden
  attention_norm,  ///< hidden
  q,               ///< query heads · qk_dim × hidden
  k,               ///< KV groups · qk_dim × hidden
  v,               ///< KV groups · vo_dim × hidden
  o,               ///< hidden × query heads · vo_dim
  q_bias,
  k_bias,
  v_bias,
  o_bias,
  ffn_norm,  ///< hidden
  gate,      ///< FFN width × hidden
  up,        ///< FFN width × hidden
  down,      ///< hidden × FFN width
  gate_bias,
  up_bias,
  down_bias,
  final_norm,  ///< hidden
  head,        ///< vocabulary × hidden; absent where embeddings are tied
};

struct TensorSpec {
  TensorRole role = TensorRole::embedding;
  std::int64_t layer = -1;  ///< -1 outside the layers
  std::string name;         ///< as in the checkpoint
  std::vector<std::int64_t> shape;
};

/// "q", "attention_norm", ...: for messages and reports.
std::string role_name(TensorRole role);

/// "model.layers.7.self_attn.q_proj.weight"; `layer` is ignored for embedding, final_norm and head.
std::string tensor_name(TensorRole role, std::int64_t layer);

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

/// Tensors that old checkpoints carry and nothing reads (rotary_emb.inv_freq; lm_head.weight where embeddings
/// are tied).
bool is_ignorable_tensor(const ModelConfig& config, const std::string& name);

}  // namespace cce
