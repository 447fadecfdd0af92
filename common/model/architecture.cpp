#include "common/model/architecture.h"

#include <array>

#include "common/base/error.h"

namespace cce {
namespace {

struct RoleRow {
  TensorRole role;
  const char* name;    // of the role
  const char* tensor;  // in the checkpoint; below "model.layers.N." for the roles of a layer
  bool in_layer;
};

constexpr std::array<RoleRow, 19> role_rows = {{
    {TensorRole::embedding, "embedding", "model.embed_tokens.weight", false},
    {TensorRole::attention_norm, "attention_norm", "input_layernorm.weight", true},
    {TensorRole::q, "q", "self_attn.q_proj.weight", true},
    {TensorRole::k, "k", "self_attn.k_proj.weight", true},
    {TensorRole::v, "v", "self_attn.v_proj.weight", true},
    {TensorRole::o, "o", "self_attn.o_proj.weight", true},
    {TensorRole::q_bias, "q_bias", "self_attn.q_proj.bias", true},
    {TensorRole::k_bias, "k_bias", "self_attn.k_proj.bias", true},
    {TensorRole::v_bias, "v_bias", "self_attn.v_proj.bias", true},
    {TensorRole::o_bias, "o_bias", "self_attn.o_proj.bias", true},
    {TensorRole::ffn_norm, "ffn_norm", "post_attention_layernorm.weight", true},
    {TensorRole::gate, "gate", "mlp.gate_proj.weight", true},
    {TensorRole::up, "up", "mlp.up_proj.weight", true},
    {TensorRole::down, "down", "mlp.down_proj.weight", true},
    {TensorRole::gate_bias, "gate_bias", "mlp.gate_proj.bias", true},
    {TensorRole::up_bias, "up_bias", "mlp.up_proj.bias", true},
    {TensorRole::down_bias, "down_bias", "mlp.down_proj.bias", true},
    {TensorRole::final_norm, "final_norm", "model.norm.weight", false},
    {TensorRole::head, "head", "lm_head.weight", false},
}};

const RoleRow& row_of(TensorRole role) {
  return role_rows.at(static_cast<std::size_t>(role));
}

[[noreturn]] void refuse(TensorRole role, std::int64_t layer) {
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "layer " + std::to_string(layer),
              .found = role_name(role),
              .expected = "a tensor that the model has",
              .remedy = "Report this: it is a bug."};
}

std::vector<std::int64_t> layer_tensor_shape(const LayerShape& shape, std::int64_t hidden, TensorRole role) {
  const std::int64_t q_width = shape.query_heads() * shape.qk_dim;
  const std::int64_t k_width = shape.kv_groups * shape.qk_dim;
  const std::int64_t v_width = shape.kv_groups * shape.vo_dim;
  switch (role) {
    case TensorRole::q:
      return {q_width, hidden};
    case TensorRole::k:
      return {k_width, hidden};
    case TensorRole::v:
      return {v_width, hidden};
    case TensorRole::o:
      return {hidden, shape.query_heads() * shape.vo_dim};
    case TensorRole::q_bias:
      return {q_width};
    case TensorRole::k_bias:
      return {k_width};
    case TensorRole::v_bias:
      return {v_width};
    case TensorRole::gate:
    case TensorRole::up:
      return {shape.ffn_width, hidden};
    case TensorRole::down:
      return {hidden, shape.ffn_width};
    case TensorRole::gate_bias:
    case TensorRole::up_bias:
      return {shape.ffn_width};
    default:
      return {hidden};  // norms, and the biases of o and down
  }
}

bool layer_has_tensor(const LayerShape& shape, TensorRole role) {
  switch (role) {
    case TensorRole::q_bias:
      return shape.has_attention && shape.q_bias;
    case TensorRole::k_bias:
      return shape.has_attention && shape.k_bias;
    case TensorRole::v_bias:
      return shape.has_attention && shape.v_bias;
    case TensorRole::o_bias:
      return shape.has_attention && shape.o_bias;
    case TensorRole::gate_bias:
      return shape.has_ffn && shape.gate_bias;
    case TensorRole::up_bias:
      return shape.has_ffn && shape.up_bias;
    case TensorRole::down_bias:
      return shape.has_ffn && shape.down_bias;
    case TensorRole::ffn_norm:
    case TensorRole::gate:
    case TensorRole::up:
    case TensorRole::down:
      return shape.has_ffn;
    default:
      return shape.has_attention;
  }
}

}  // namespace

std::string role_name(TensorRole role) {
  return row_of(role).name;
}

std::string tensor_name(TensorRole role, std::int64_t layer) {
  const RoleRow& row = row_of(role);
  return row.in_layer ? "model.layers." + std::to_string(layer) + "." + row.tensor : std::string(row.tensor);
}

bool has_tensor(const ModelConfig& config, TensorRole role, std::int64_t layer) {
  if (row_of(role).in_layer) {
    const auto layers = static_cast<std::int64_t>(config.layers.size());
    return layer >= 0 && layer < layers &&
           layer_has_tensor(config.layers[static_cast<std::size_t>(layer)], role);
  }
  return role != TensorRole::head || !config.tied_embeddings;
}

std::vector<std::int64_t> tensor_shape(const ModelConfig& config, TensorRole role, std::int64_t layer) {
  if (!has_tensor(config, role, layer)) {
    refuse(role, layer);
  }
  if (role == TensorRole::embedding || role == TensorRole::head) {
    return {config.vocabulary_size, config.hidden_size};
  }
  if (role == TensorRole::final_norm) {
    return {config.hidden_size};
  }
  return layer_tensor_shape(config.layers[static_cast<std::size_t>(layer)], config.hidden_size, role);
}

std::vector<TensorSpec> layer_tensors(const ModelConfig& config, std::int64_t layer) {
  std::vector<TensorSpec> tensors;
  for (const RoleRow& row : role_rows) {
    if (row.in_layer && has_tensor(config, row.role, layer)) {
      tensors.push_back({.role = row.role,
                         .layer = layer,
                         .name = tensor_name(row.role, layer),
                         .shape = tensor_shape(config, row.role, layer)});
    }
  }
  return tensors;
}

std::vector<TensorSpec> all_tensors(const ModelConfig& config) {
  const auto outside = [&config](TensorRole role) {
    return TensorSpec{
        .role = role, .layer = -1, .name = tensor_name(role, -1), .shape = tensor_shape(config, role, -1)};
  };
  std::vector<TensorSpec> tensors = {outside(TensorRole::embedding)};
  for (std::size_t layer = 0; layer < config.layers.size(); ++layer) {
    const std::vector<TensorSpec> of_layer = layer_tensors(config, static_cast<std::int64_t>(layer));
    tensors.insert(tensors.end(), of_layer.begin(), of_layer.end());
  }
  tensors.push_back(outside(TensorRole::final_norm));
  if (!config.tied_embeddings) {
    tensors.push_back(outside(TensorRole::head));
  }
  return tensors;
}

bool is_ignorable_tensor(const ModelConfig& config, const std::string& name) {
  return name.ends_with(".rotary_emb.inv_freq") || (config.tied_embeddings && name == "lm_head.weight");
}

}  // namespace cce
