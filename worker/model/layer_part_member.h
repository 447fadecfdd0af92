#pragma once
#include "common/error.h"
#include "worker/model/layer_weights.h"

namespace cce {

/// The field of BasicLayerWeights<View> that holds a part.
template <typename View>
constexpr View BasicLayerWeights<View>::*member_of(LayerPart part) {
  using Weights = BasicLayerWeights<View>;
  switch (part) {
    case LayerPart::attention_norm:
      return &Weights::attention_norm;
    case LayerPart::q:
      return &Weights::q;
    case LayerPart::k:
      return &Weights::k;
    case LayerPart::v:
      return &Weights::v;
    case LayerPart::o:
      return &Weights::o;
    case LayerPart::q_bias:
      return &Weights::q_bias;
    case LayerPart::k_bias:
      return &Weights::k_bias;
    case LayerPart::v_bias:
      return &Weights::v_bias;
    case LayerPart::o_bias:
      return &Weights::o_bias;
    case LayerPart::ffn_norm:
      return &Weights::ffn_norm;
    case LayerPart::gate:
      return &Weights::gate;
    case LayerPart::up:
      return &Weights::up;
    case LayerPart::down:
      return &Weights::down;
    case LayerPart::gate_bias:
      return &Weights::gate_bias;
    case LayerPart::up_bias:
      return &Weights::up_bias;
    case LayerPart::down_bias:
      return &Weights::down_bias;
  }
  throw Error{.code = ErrorCode::invalid_argument,
              .where = "layer part",
              .found = "an unknown value",
              .expected = {},
              .remedy = {}};
}

}  // namespace cce
