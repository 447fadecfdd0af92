#include "common/model/stored_form.h"

#include "common/model/families/family.h"

namespace cce {

StoredForm stored_form(const ModelConfig& config, TensorRole role) {
  switch (role) {
    case TensorRole::embedding:
    case TensorRole::head:
      return {};
    case TensorRole::final_norm:
      return {.scale = 1.0 / config.logits_divisor, .offset = config.family->gain_offset};
    case TensorRole::o:
    case TensorRole::o_bias:
    case TensorRole::down:
    case TensorRole::down_bias:
      return {.scale = config.residual_scale};
    default:
      return {.offset = layer_part(role).kind == PartKind::gain ? config.family->gain_offset : 0.0};
  }
}

}  // namespace cce
