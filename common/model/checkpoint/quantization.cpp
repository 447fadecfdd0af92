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

[[noreturn]] void refuse(const JsonReader& section, const std::string& name) {
  std::string words = name.empty() ? "quantised weights" : "weights quantised by " + name;
  std::string_view remedy = take_the_original;
  for (const QuantMethod& method : methods) {
    if (method.name == name) {
      words = method.words;
      remedy = method.remedy;
    }
  }
  throw Error{.code = ErrorCode::unsupported,
              .where = section.where(),
              .found = words,
              .expected = "weights in F32, F16, BF16 or FP8",
              .remedy = std::string(remedy)};
}

std::string method_of(JsonReader& section) {
  if (!section.is_object()) {
    return "";
  }
  const std::string name = section.text_or("quant_method", "");
  const bool is_bits = section.boolean_or("load_in_4bit", false) || section.boolean_or("load_in_8bit", false);
  return name.empty() && is_bits ? "bitsandbytes" : name;
}

/// compressed-tensors stores FP8 where every group of weights says 8 bits of type float.
std::optional<Quantization> read_groups(JsonReader& section) {
  Quantization found;
  JsonReader groups = section.required("config_groups");
  for (const std::string& name : groups.keys()) {
    JsonReader weights = groups.required(name).required("weights");
    if (weights.integer_or("num_bits", 0) != 8 || weights.text_or("type", "") != "float") {
      return std::nullopt;
    }
    if (const std::optional<JsonReader> block = weights.optional("block_structure");
        block && block->is_array()) {
      found.block = block->integers({.lowest = 1});
    }
  }
  return found;
}

std::optional<Quantization> read_fp8(JsonReader& section, const std::string& method) {
  if (method == "fp8") {
    Quantization found;
    if (const std::optional<JsonReader> block = section.optional("weight_block_size")) {
      found.block = block->integers({.lowest = 1});
    }
    return found;
  }
  if (method == "fbgemm_fp8" || (method == "modelopt" && section.text_or("quant_algo", "") == "FP8")) {
    return Quantization{};
  }
  return method == "compressed-tensors" ? read_groups(section) : std::nullopt;
}

}  // namespace

std::optional<Quantization> read_quantization(JsonReader& config) {
  for (const char* key : {"quantization_config", "compression_config"}) {
    std::optional<JsonReader> section = config.optional(key);
    if (!section) {
      continue;
    }
    const std::string method = method_of(*section);
    const std::optional<Quantization> found = read_fp8(*section, method);
    if (!found) {
      refuse(*section, method);
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace cce
