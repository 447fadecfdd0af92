#pragma once
#include <cstdint>

#include "common/recipe/job_spec.h"

namespace cce {

/// What a compression leaves of the blocks' weights: 1 − the fraction to remove; 1 where the target is not a
/// fraction (fit_bytes, threshold) or where nothing is compressed. For forecasts. Pure.
double kept_share(const JobSpec& spec);

/// The same of a width or a count of parameters, rounded down.
std::int64_t kept_of(const JobSpec& spec, std::int64_t dense);

}  // namespace cce
