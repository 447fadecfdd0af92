#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/json_reader.h"

namespace cce {

/// How config.json says that weights are stored where it has a quantization_config (or compression_config, its
/// older name).
struct Quantization {
  std::vector<std::int64_t>
      block;  ///< rows and columns that share a scale of FP8 weights; empty where it says none
};

/// FP8 weights are read, by the forms of transformers ("fp8", "fbgemm_fp8"), compressed-tensors and modelopt.
/// Nothing where no key says that weights are quantised. Errors: unsupported for every other way to quantise, with
/// what quantised them and what to start from instead.
std::optional<Quantization> read_quantization(JsonReader& config);

}  // namespace cce
