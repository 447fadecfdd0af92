#pragma once
#include "common/base/error.h"
#include "worker/model/layer_weights.h"

namespace cce {

/// The field of BasicLayerWeights<View> that holds a part.
template <typename View>
constexpr View BasicLayerWeights<View>::*member_of(TensorRole role) {
  using Weights = BasicLayerWeights<View>;
  switch (role) {
    case TensorRole::attention_norm:
      return &Weights::attention_norm;
    case TensorRole::q:
      return &Weights::q;
    case TensorRole::k:
      return &Weights::k;
    case TensorRole::v:
      return &Weights::v;
    case TensorRole::o:
      return &Weights::o;
    case TensorRole::q_bias:
      return &Weights::q_bias;
    case TensorRole::k_bias:
      return &Weights::k_bias;
    case TensorRole::v_bias:
      return &Weights::v_bias;
    case TensorRole::o_bias:
      return &Weights::o_bias;
    case TensorRole::ffn_norm:
      return &Weights::ffn_norm;
    case TensorRole::gate:
      return &Weights::gate;
    case TensorRole::up:
      return &Weights::up;
    case TensorRole::down:
      return &Weights::down;
    case TensorRole::gate_bias:
      return &Weights::gate_bias;
    case TensorRole::up_bias:
      return &Weights::up_bias;
    case TensorRole::down_bias:
      return &Weights::down_bias;
    case TensorRole::embedding:
    case TensorRole::final_norm:
    case TensorRole::head:
      break;
  }
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "layer part",
              .found = "a tensor outside the layers",
              .expected = {},
              .remedy = {}};
}

}  // namespace cce
