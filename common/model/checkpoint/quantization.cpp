#include "common/model/checkpoint/quantization.h"

#include <array>
#include <string>
#include <string_view>

namespace cce {
namespace {

/// A way to quantise, by the quant_method that transformers writes.
struct QuantMethod {
  std::string_view name, words, remedy;
};

constexpr std::string_view take_the_original =
    "Start from the model before quantisation, which the card of this one names as base_model: hf download "
    "ORG/NAME --local-dir NEW";
constexpr std::string_view dequantize =
    "Start from the model before quantisation, which the card of this one names as base_model. Where there "
    "is none, "
    "turn it back: AutoModelForCausalLM.from_pretrained(DIR).dequantize().save_pretrained(NEW) in "
    "transformers";

constexpr std::array methods = {
    QuantMethod{"gptq", "weights quantised by GPTQ", take_the_original},
    QuantMethod{"awq", "weights quantised by AWQ", take_the_original},
    QuantMethod{"bitsandbytes", "weights quantised by bitsandbytes", dequantize},
    QuantMethod{"compressed-tensors", "weights quantised by compressed-tensors", take_the_original},
    QuantMethod{"mxfp4", "weights in MXFP4", dequantize},
    QuantMethod{"hqq", "weights quantised by HQQ", dequantize},
    QuantMethod{"torchao", "weights quantised by torchao", take_the_original},
    QuantMethod{"quanto", "weights quantised by quanto", take_the_original},
    QuantMethod{"aqlm", "weights quantised by AQLM", take_the_original},
};

}  // namespace

void refuse_quantized_weights(JsonReader& config) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    std::optional<JsonReader> section = config.optional(key);
    if (!section) {
      continue;
    }
    std::string name = section->is_object() ? section->text_or("quant_method", "") : "";
    if (name.empty() && section->is_object() &&
        (section->boolean_or("load_in_4bit", false) || section->boolean_or("load_in_8bit", false))) {
      name = "bitsandbytes";
    }
    std::string words = name.empty() ? "quantised weights" : "weights quantised by " + name;
    std::string_view remedy = take_the_original;
    for (const QuantMethod& method : methods) {
      if (method.name == name) {
        words = method.words;
        remedy = method.remedy;
      }
    }
    throw Error{.code = ErrorCode::unsupported,
                .where = section->where(),
                .found = words,
                .expected = "weights in F32, F16 or BF16",
                .remedy = std::string(remedy)};
  }
}

}  // namespace cce
