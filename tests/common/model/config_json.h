#pragma once
#include <string>

#include "common/base/json_reader.h"
#include "common/model/model_config.h"

namespace cce {

// config.json of small models, for tests of what is read from it.

inline Json base_config(const std::string& model_type) {
  Json config = {{"model_type", model_type}, {"hidden_size", 64},        {"intermediate_size", 96},
                 {"num_hidden_layers", 3},   {"num_attention_heads", 8}, {"num_key_value_heads", 4},
                 {"vocab_size", 100}};
  return config;
}

inline ModelConfig parse(const Json& config) {
  return parse_model_config(config.dump(), "config.json");
}

inline Json with(Json config, const Json& changes) {
  if (!changes.is_null()) {
    config.update(changes);
  }
  return config;
}

}  // namespace cce
