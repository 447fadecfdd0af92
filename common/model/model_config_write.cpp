#include "common/model/model_config_write.h"

#include "common/base/error.h"
#include "common/base/json_reader.h"
#include "common/base/json_writer.h"
#include "common/model/families/family.h"

namespace cce {
namespace {

std::string torch_name(const std::string& dtype) {
  if (dtype == "bf16") {
    return "bfloat16";
  }
  if (dtype == "f16") {
    return "float16";
  }
  if (dtype == "f32") {
    return "float32";
  }
  throw Error{.code = ErrorCode::out_of_range,
              .where = "export.dtype",
              .found = dtype,
              .expected = "bf16, f16 or f32",
              .remedy = "Set export.dtype to one of these."};
}

/// What config.json says to the class that a format's results are of.
bool tie_written(const OrderedJson& document, const Family& family, ExportFormat format) {
  const char* key = "tie_word_embeddings";
  if (!document.contains(key) || document[key].is_null()) {
    return rules_of(format).own_class == nullptr && family.tied_embeddings;
  }
  return document[key].get<bool>();
}

}  // namespace

std::string to_config_json(const ModelConfig& config, ExportFormat format,
                           const std::string& original_config_json, const std::string& dtype) {
  rules_of(format).check(config);
  parse_json(original_config_json,
             "config.json");  // strictness first: the ordered parser accepts duplicate keys
  OrderedJson document = OrderedJson::parse(original_config_json);
  rules_of(format).write_config(config, document);
  if (tie_written(document, *config.family, format) != config.tied_embeddings) {
    document["tie_word_embeddings"] = config.tied_embeddings;
  }
  document.erase("_name_or_path");
  document.erase("quantization_config");  // what is written holds plain numbers
  document.erase("compression_config");
  const bool newer_spelling = document.contains("dtype");
  document[newer_spelling ? "dtype" : "torch_dtype"] = torch_name(dtype);
  if (newer_spelling) {
    document.erase("torch_dtype");
  }
  return pretty_json(document);
}

}  // namespace cce
