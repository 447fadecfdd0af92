#pragma once
#include "worker/stages/evaluate/evaluate.h"

namespace cce {

/// evaluate.samples beginnings of windows, continued greedily with a key/value cache by the dense and, where
/// there is one, the compressed model. Rank 0 alone, not collective. Empty where the model folder has no
/// tokenizer to write the tokens as text.
std::vector<GreedySample> greedy_samples(StageContext& context, const EvaluatedModel& dense,
                                         const EvaluatedModel* compressed,
                                         const std::vector<std::vector<std::int32_t>>& windows);

}  // namespace cce
