#include <array>

#include "common/model/formats/format.h"
#include "common/model/formats/shared_shapes.h"

namespace cce {

/// A plain checkpoint of the family's own class: one width for all layers.
const FormatRules& uniform_rules() {
  static constexpr std::array structures = {Structure::ffn, Structure::kv_groups, Structure::layers};
  static constexpr std::array automatic = {Structure::ffn};
  static constexpr FormatRules rules{
      .name = "uniform",
      .structures = structures,
      .automatic_structures = automatic,
      .widths_are_shared = true,
      .drops_empty_layers = true,
      .adds_output_biases = false,
      .own_class = nullptr,
      .check = [](const ModelConfig& config) { check_shared_shapes(config, "uniform"); },
      .write_config = write_plain_config,
      .loading_advice =
          "A plain checkpoint; nothing of this project is needed to load it:\n\n```python\nfrom "
          "transformers import AutoModelForCausalLM\nmodel = "
          "AutoModelForCausalLM.from_pretrained(\"PATH\")\n```\n"};
  return rules;
}

}  // namespace cce
