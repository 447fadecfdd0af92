#pragma once
#include <cstdint>

#include "common/job_spec.h"

namespace cce {

/// Of step s = 0, 1, …, N − 1, with w = ⌈warm-up N⌉ steps of warm-up:
///   peak (s + 1) / w                          s < w
///   peak ½ (1 + cos(π (s − w) / (N − w)))     else
double learning_rate_at(const FinetuneSettings& settings, std::int64_t step, std::int64_t total_steps);

/// Whole windows in a step: batch_tokens / length, at most what max_tokens holds, at least one.
std::int64_t batch_sequences(const FinetuneSettings& settings, std::int64_t length);

/// Steps of a run before its speed is known: those that max_tokens pays for; without it one pass through the
/// training text. At least one.
std::int64_t planned_steps(const FinetuneSettings& settings, std::int64_t length, std::int64_t text_windows);

/// Steps after which a time budget is turned into a number of steps, once: the schedule is then fixed, and a
/// resumed run follows the same one.
inline constexpr std::int64_t measured_steps = 3;

/// The number of steps, known to be at most planned, of which done took `seconds`, that max_seconds pays for.
std::int64_t affordable_steps(const FinetuneSettings& settings, std::int64_t planned, std::int64_t done,
                              double seconds);

}  // namespace cce
