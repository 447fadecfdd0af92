#include "common/base/error.h"
#include "common/model/families/family.h"
#include "common/model/formats/format.h"
#include "common/model/formats/gguf_vocabulary.h"
#include "common/model/formats/shared_shapes.h"

namespace cce {
namespace {

[[noreturn]] void refuse(const std::string& found, const std::string& expected) {
  throw Error{.code = ErrorCode::impossible_combination,
              .where = "export.format=gguf",
              .found = found,
              .expected = expected,
              .remedy = choose_plain_format()};
}

bool is_held(const RopeScaling& scaling, const Family& family) {
  const auto* yarn = std::get_if<YarnRope>(&scaling);
  if (std::holds_alternative<LongRope>(scaling) || (yarn != nullptr && !yarn->truncate)) {
    return false;
  }
  return !std::holds_alternative<Llama3Rope>(scaling) || family.gguf_has_pair_factors;
}

/// What llama.cpp computes for an architecture is not all that the family's class can.
void check(const ModelConfig& config) {
  check_shared_shapes(config, "gguf");
  const Family& family = *config.family;
  if (family.gguf_architecture.empty()) {
    refuse("model_type " + std::string(family.model_type),
           "an architecture of llama.cpp that is written here");
  }
  for (const LayerShape& layer : config.layers) {
    if (layer.window && *layer.window < config.max_positions) {
      refuse("an attention window of " + std::to_string(*layer.window) + " positions",
             "none: llama.cpp gives architecture " + std::string(family.gguf_architecture) + " no window");
    }
  }
  if (config.activation != Activation::silu) {
    refuse("another activation than SiLU",
           "SiLU: llama.cpp gives architecture " + std::string(family.gguf_architecture) + " no other");
  }
  const std::optional<RopeScaling>& scaling = config.ropes.front().scaling;
  if (scaling && !is_held(*scaling, family)) {
    refuse("a rope scaling that architecture " + std::string(family.gguf_architecture) + " does not read",
           "none, linear, dynamic or yarn with whole pairs at its ends");
  }
}

}  // namespace

/// One file for llama.cpp and what is built on it: a plain model's shapes, with the tokenizer inside.
const FormatRules& gguf_rules() {
  static const FormatRules rules = [] {
    FormatRules own = shared_shape_rules();
    own.name = "gguf";
    own.check = check;
    own.check_original = [](const FileSystem& files, const std::filesystem::path& folder,
                            const ModelConfig& config) {
      read_gguf_vocabulary(files, folder, config.vocabulary_size);
    };
    own.loading_advice =
        "One file for llama.cpp and what is built on it:\n\n```sh\nllama-cli -m PATH/model.gguf -p \"Once "
        "upon a "
        "time\"\nllama-quantize PATH/model.gguf PATH/model-Q4_K_M.gguf Q4_K_M\n```\n";
    return own;
  }();
  return rules;
}

}  // namespace cce
