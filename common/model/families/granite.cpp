#include "common/model/families/part_groups.h"

namespace cce {
namespace {

constexpr NumberRange multiplier_range{.lowest = 0.0, .highest = 1e6, .above_lowest = true};

void read_multipliers(JsonReader& config, ModelConfig& model) {
  model.embedding_scale = config.number_or("embedding_multiplier", 1.0, multiplier_range);
  model.score_scale = config.number_or("attention_multiplier", 1.0, multiplier_range);
  model.residual_scale = config.number_or("residual_multiplier", 1.0, multiplier_range);
  model.logits_divisor = config.number_or("logits_scaling", 1.0, multiplier_range);
}

}  // namespace

/// GraniteForCausalLM: Llama with multipliers of embedded tokens, scores, what sub-blocks add, and logits.
const Family& granite() {
  static constexpr Family family{.model_type = "granite",
                                 .class_name = "GraniteForCausalLM",
                                 .max_positions = 2048,
                                 .optional_parts = biases_by_key,
                                 .read_more = read_multipliers};
  return family;
}

}  // namespace cce
