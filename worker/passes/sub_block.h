#pragma once
#include "common/model/sub_block.h"
#include "worker/model/block.h"
#include "worker/model/host_layer.h"

namespace cce {

inline bool has(const LayerShape& shape, SubBlock kind) {
  return has_sub_block(shape, kind);
}
inline bool has_output_bias(const LayerShape& shape, SubBlock kind) {
  return kind == SubBlock::attention ? shape.o_bias : shape.down_bias;
}
inline TensorRole output_part(SubBlock kind) {
  return kind == SubBlock::attention ? TensorRole::o : TensorRole::down;
}
inline TensorRole output_bias_part(SubBlock kind) {
  return kind == SubBlock::attention ? TensorRole::o_bias : TensorRole::down_bias;
}
inline std::int64_t feature_width(const LayerShape& shape, SubBlock kind) {
  return kind == SubBlock::attention ? shape.query_heads() * shape.vo_dim : shape.ffn_width;
}

/// The sub-blocks that a layer has, in the order of a forward pass.
template <typename Work>
void for_each_sub_block(const LayerShape& shape, const Work& work) {
  for (const SubBlock kind : {SubBlock::attention, SubBlock::ffn}) {
    if (has(shape, kind)) {
      work(kind);
    }
  }
}

/// F of one sub-block: tokens × feature_width, compute dtype.
inline void compute_features(BlockRunner& runner, SubBlock kind, const LayerWeights& weights,
                             TokenBatch batch, ConstMatrix stream, Matrix features) {
  if (kind == SubBlock::attention) {
    runner.attention_features(weights, batch, stream, features);
  } else {
    runner.ffn_features(weights, stream, features);
  }
}

}  // namespace cce
