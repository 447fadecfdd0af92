#include "common/model/layer_parts.h"

#include <algorithm>
#include <array>
#include <string>

#include "common/base/error.h"

namespace cce {
namespace {

using Role = TensorRole;
using Shape = LayerShape;
constexpr auto attention = SubBlock::attention;
constexpr auto ffn = SubBlock::ffn;

/// Of the stream, or of what a sub-block adds to it.
constexpr LayerPart stream_gain(Role role, std::string_view name, std::string_view tensor, SubBlock sub_block,
                                bool Shape::*is_there) {
  return {role, name, tensor, sub_block, PartKind::gain, Extent::one, Extent::hidden, is_there, true};
}
constexpr LayerPart head_gain(Role role, std::string_view name, std::string_view tensor, Extent length,
                              bool Shape::*is_there) {
  return {role, name, tensor, attention, PartKind::gain, Extent::one, length, is_there};
}
constexpr LayerPart matrix(Role role, std::string_view name, std::string_view tensor, SubBlock sub_block,
                           Extent rows, Extent cols) {
  return {role, name, tensor, sub_block, PartKind::matrix, rows, cols, nullptr};
}
constexpr LayerPart bias(Role role, std::string_view name, std::string_view tensor, SubBlock sub_block,
                         Extent length, bool Shape::*is_there) {
  return {role, name, tensor, sub_block, PartKind::bias, Extent::one, length, is_there};
}

constexpr std::array parts = {
    stream_gain(Role::attention_norm, "attention_norm", "input_layernorm.weight", attention,
                &Shape::attention_norm),
    matrix(Role::q, "q", "self_attn.q_proj.weight", attention, Extent::queries, Extent::hidden),
    matrix(Role::k, "k", "self_attn.k_proj.weight", attention, Extent::keys, Extent::hidden),
    matrix(Role::v, "v", "self_attn.v_proj.weight", attention, Extent::values, Extent::hidden),
    matrix(Role::o, "o", "self_attn.o_proj.weight", attention, Extent::hidden, Extent::outputs),
    bias(Role::q_bias, "q_bias", "self_attn.q_proj.bias", attention, Extent::queries, &Shape::q_bias),
    bias(Role::k_bias, "k_bias", "self_attn.k_proj.bias", attention, Extent::keys, &Shape::k_bias),
    bias(Role::v_bias, "v_bias", "self_attn.v_proj.bias", attention, Extent::values, &Shape::v_bias),
    bias(Role::o_bias, "o_bias", "self_attn.o_proj.bias", attention, Extent::hidden, &Shape::o_bias),
    head_gain(Role::q_norm, "q_norm", "self_attn.q_norm.weight", Extent::query_norm, &Shape::q_norm),
    head_gain(Role::k_norm, "k_norm", "self_attn.k_norm.weight", Extent::key_norm, &Shape::k_norm),
    stream_gain(Role::attention_output_norm, "attention_output_norm", "post_self_attn_layernorm.weight",
                attention, &Shape::attention_output_norm),
    stream_gain(Role::ffn_norm, "ffn_norm", "post_attention_layernorm.weight", ffn, &Shape::ffn_norm),
    matrix(Role::gate, "gate", "mlp.gate_proj.weight", ffn, Extent::neurons, Extent::hidden),
    matrix(Role::up, "up", "mlp.up_proj.weight", ffn, Extent::neurons, Extent::hidden),
    matrix(Role::down, "down", "mlp.down_proj.weight", ffn, Extent::hidden, Extent::neurons),
    bias(Role::gate_bias, "gate_bias", "mlp.gate_proj.bias", ffn, Extent::neurons, &Shape::gate_bias),
    bias(Role::up_bias, "up_bias", "mlp.up_proj.bias", ffn, Extent::neurons, &Shape::up_bias),
    bias(Role::down_bias, "down_bias", "mlp.down_proj.bias", ffn, Extent::hidden, &Shape::down_bias),
    stream_gain(Role::ffn_output_norm, "ffn_output_norm", "post_feedforward_layernorm.weight", ffn,
                &Shape::ffn_output_norm),
};

}  // namespace

std::span<const LayerPart> layer_parts() {
  return parts;
}

const LayerPart& layer_part(TensorRole role) {
  const auto* found =
      std::find_if(parts.begin(), parts.end(), [role](const LayerPart& part) { return part.role == role; });
  if (found == parts.end()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "layer part",
                .found = "a tensor outside the layers",
                .expected = "a part of a layer",
                .remedy = "Report this: it is a bug."};
  }
  return *found;
}

bool has_sub_block(const LayerShape& shape, SubBlock kind) {
  return kind == attention ? shape.has_attention : shape.has_ffn;
}

bool has_part(const LayerShape& shape, const LayerPart& part) {
  return has_sub_block(shape, part.sub_block) && (part.is_there == nullptr || shape.*part.is_there);
}

std::int64_t width_of(const LayerShape& shape, std::int64_t hidden_size, Extent extent) {
  switch (extent) {
    case Extent::one:
      break;
    case Extent::hidden:
      return hidden_size;
    case Extent::queries:
      return shape.query_heads() * shape.qk_dim;
    case Extent::keys:
      return shape.kv_groups * shape.qk_dim;
    case Extent::values:
      return shape.kv_groups * shape.vo_dim;
    case Extent::outputs:
      return shape.query_heads() * shape.vo_dim;
    case Extent::neurons:
      return shape.ffn_width;
    case Extent::query_norm:
      return shape.norms_span_heads ? shape.query_heads() * shape.qk_dim : shape.qk_dim;
    case Extent::key_norm:
      return shape.norms_span_heads ? shape.kv_groups * shape.qk_dim : shape.qk_dim;
  }
  return 1;
}

PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, const LayerPart& part) {
  if (!has_part(shape, part)) {
    return {};
  }
  return {width_of(shape, hidden_size, part.rows), width_of(shape, hidden_size, part.cols),
          part.kind == PartKind::matrix};
}

PartSize part_size(const LayerShape& shape, std::int64_t hidden_size, TensorRole role) {
  return part_size(shape, hidden_size, layer_part(role));
}

void remove_sub_block(LayerShape& shape, SubBlock kind) {
  if (kind == attention) {
    shape.has_attention = false;
    shape.kv_groups = shape.queries_per_group = shape.qk_dim = shape.vo_dim = 0;
    shape.rope_pairs.clear();
    shape.window.reset();
    shape.rope = 0;
    shape.norms_span_heads = false;
  } else {
    shape.has_ffn = false;
    shape.ffn_width = 0;
  }
  for (const LayerPart& part : parts) {
    if (part.sub_block == kind && part.is_there != nullptr) {
      shape.*part.is_there = false;
    }
  }
}

std::int64_t layer_parameters(const LayerShape& shape, std::int64_t hidden_size) {
  std::int64_t parameters = 0;
  for (const LayerPart& part : parts) {
    parameters += part.kind == PartKind::gain ? 0 : part_size(shape, hidden_size, part).elements();
  }
  return parameters;
}

std::int64_t matrix_parameters(const LayerShape& shape, std::int64_t hidden_size) {
  std::int64_t parameters = 0;
  for (const LayerPart& part : parts) {
    parameters += part.kind == PartKind::matrix ? part_size(shape, hidden_size, part).elements() : 0;
  }
  return parameters;
}

}  // namespace cce
