#pragma once
#include <cstdint>
#include <utility>
#include <vector>

#include "common/model/layer_shape.h"

namespace cce {

// What families add to a layer's shape, for rows of gradient tests.

inline LayerShape with_norms(LayerShape shape) {
  shape.q_norm = shape.k_norm = true;
  return shape;
}

inline LayerShape with_window(LayerShape shape, std::int64_t window) {
  shape.window = window;
  return shape;
}

inline LayerShape normed_after(LayerShape shape, bool before_too) {
  shape.attention_norm = shape.ffn_norm = before_too;
  shape.attention_output_norm = shape.ffn_output_norm = true;
  return shape;
}

inline LayerShape with_spanning_norms(LayerShape shape) {
  shape.q_norm = shape.k_norm = shape.norms_span_heads = true;
  return shape;
}

inline LayerShape without_rope(LayerShape shape) {
  shape.rope = LayerShape::no_rope;
  return shape;
}

inline LayerShape with_pairs(LayerShape shape, std::vector<std::int32_t> pairs) {
  shape.rope_pairs = std::move(pairs);
  return shape;
}

}  // namespace cce
