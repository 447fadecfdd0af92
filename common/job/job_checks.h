#pragma once
#include "common/model/model_config.h"
#include "common/recipe/job_spec.h"

namespace cce {

/// Refuses what no run could do: structures that the format cannot carry, and keys that exclude each other.
/// Errors: impossible_combination, unsupported.
void check_combinations(const JobSpec& spec);

/// Refuses structures that a recipe names and no layer of the model can give up: queries and keys of heads that
/// are normed. Errors: impossible_combination.
void check_structures(const JobSpec& spec, const ModelConfig& config);

}  // namespace cce
