#pragma once
#include "common/model/layer_parts.h"
#include "common/model/model_config.h"

namespace cce {

/// How a number of a checkpoint becomes the number that is computed with: value = scale · (stored + offset). Gains that
/// are stored around 0, multipliers of what sub-blocks add and of the logits are thus part of the weights in memory, and
/// nothing behind the checkpoint knows of them.
struct StoredForm {
  double scale = 1.0;
  double offset = 0.0;

  bool is_plain() const { return scale == 1.0 && offset == 0.0; }
  float value_of(float stored) const {
    return static_cast<float>(scale * (static_cast<double>(stored) + offset));
  }
  float stored_of(float value) const {
    return static_cast<float>(static_cast<double>(value) / scale - offset);
  }
};

/// Of a tensor of a model, as its family's class computes with it:
///   gains            weight + Family::gain_offset, the final norm's divided by config.logits_divisor
///   o, down, biases  times config.residual_scale
StoredForm stored_form(const ModelConfig& config, TensorRole role);

}  // namespace cce
