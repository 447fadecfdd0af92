#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "worker/model/model_runner.h"

namespace cce {

struct GenerationSettings {
  std::int64_t max_new_tokens = 64;
  std::optional<std::int64_t> stop_token;  ///< ends the text; part of the result
};

/// Greedy decoding: the most probable token (the lowest id among equals), again and again, keys and values of
/// earlier positions kept. Returns the new tokens only. Each step asks `layers` for every layer once: keep
/// them in memory where packing is slow. Errors: text_too_short for an empty prompt; out_of_range for ids
/// outside the vocabulary, or when prompt and new tokens together pass the model's positions.
std::vector<std::int32_t> generate_greedily(Backend& backend, const ModelConfig& config,
                                            const EndWeights& ends, const LayerProvider& layers,
                                            DType compute_dtype, std::span<const std::int32_t> prompt,
                                            const GenerationSettings& settings);

}  // namespace cce
