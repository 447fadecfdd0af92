#pragma once
#include "common/recipe/job_spec.h"

namespace cce {

/// Refuses what no run could do: structures that the format cannot carry, and keys that exclude each other.
/// Errors: impossible_combination, unsupported.
void check_combinations(const JobSpec& spec);

}  // namespace cce
