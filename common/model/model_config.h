#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cce {

/// Decoder families whose checkpoints are read. All are RMSNorm + rotary + SwiGLU; they differ in biases and
/// windows.
enum class Family { llama, mistral, qwen2 };

/// Llama-3's frequency-dependent scaling (transformers: rope_type "llama3").
struct Llama3RopeScaling {
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position = 8192;
};

/// What one layer keeps. A dense layer has every group, pair and neuron; `custom` checkpoints differ by
/// layer.
struct LayerShape {
  bool has_attention = true;
  bool has_ffn = true;
  std::int64_t kv_groups = 0;          ///< key/value heads
  std::int64_t queries_per_group = 0;  ///< query heads that share one key/value head
  std::int64_t qk_dim = 0;  ///< width of a query or key head; even (rotary pairs j, j + qk_dim / 2)
  std::int64_t vo_dim = 0;  ///< width of a value head
  std::int64_t ffn_width = 0;
  bool q_bias = false, k_bias = false, v_bias = false, o_bias = false;
  bool gate_bias = false, up_bias = false, down_bias = false;
  /// Which of the dense head's rotary pairs survive, ascending: kv_groups × (qk_dim / 2), group by group.
  /// Empty means all of them in order (qk_dim is the dense width).
  std::vector<std::int32_t> rope_pairs;

  std::int64_t query_heads() const { return kv_groups * queries_per_group; }
  bool operator==(const LayerShape&) const = default;
};

/// The part of config.json that decides what a checkpoint computes.
struct ModelConfig {
  Family family = Family::llama;
  std::string architecture;  ///< e.g. "LlamaForCausalLM", as written in config.json
  std::int64_t hidden_size = 0;
  std::int64_t vocabulary_size = 0;
  std::int64_t max_positions = 0;
  std::int64_t head_dim = 0;  ///< of the dense head; rope frequencies derive from it
  double rms_epsilon = 1e-5;
  double rope_theta = 10000.0;
  std::optional<Llama3RopeScaling> rope_scaling;
  std::optional<std::int64_t> sliding_window;  ///< a query sees this many latest positions, itself included
  bool tied_embeddings = false;
  std::optional<std::int64_t> bos_token, eos_token;
  std::vector<LayerShape> layers;
};

/// Reads config.json of a plain Llama, Mistral or Qwen2 folder, or of our own `custom` export, in either
/// spelling of rope_theta/rope_parameters and torch_dtype/dtype. `where` names the file in errors. Errors:
/// malformed_file, wrong_type, out_of_range, missing keys with their path; unsupported for another
/// model_type, hidden_act, rope type, pretraining_tp or any key that would change what the model computes.
ModelConfig parse_model_config(const std::string& json_text, const std::string& where);

/// Weights of the blocks (matrices and biases, no norms), of embeddings and head, and FLOPs of one token at
/// `length` (2 per multiply-add, causal attention counted at its mean length).
std::int64_t block_parameters(const ModelConfig& config);
std::int64_t layer_parameters(const LayerShape& shape, std::int64_t hidden_size);
std::int64_t total_parameters(const ModelConfig& config);
double flops_per_token(const ModelConfig& config, std::int64_t length);

}  // namespace cce
