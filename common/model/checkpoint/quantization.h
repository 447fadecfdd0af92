#pragma once
#include "common/base/json_reader.h"

namespace cce {

/// Refuses a config.json whose quantization_config (or compression_config, its older name) says that weights are
/// stored as something else than floating-point numbers: what quantised them, and what to start from instead.
/// Errors: unsupported.
void refuse_quantized_weights(JsonReader& config);

}  // namespace cce
