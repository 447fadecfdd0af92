#include "common/model/formats/format.h"
#include "common/model/formats/shared_shapes.h"

namespace cce {

/// A plain checkpoint of the family's own class: one width for all layers.
const FormatRules& uniform_rules() {
  static const FormatRules rules = [] {
    FormatRules own = shared_shape_rules();
    own.name = "uniform";
    own.check = [](const ModelConfig& config) { check_shared_shapes(config, "uniform"); };
    own.loading_advice =
        "A plain checkpoint; nothing of this project is needed to load it:\n\n```python\nfrom "
        "transformers import AutoModelForCausalLM\nmodel = "
        "AutoModelForCausalLM.from_pretrained(\"PATH\")\n```\n";
    return own;
  }();
  return rules;
}

}  // namespace cce
