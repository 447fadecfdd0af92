#pragma once
#include <cstdint>
#include <span>

#include "common/recipe/job_spec.h"
#include "worker/stages/finetune/progress.h"

namespace cce {

/// Of step s = 0, 1, …, N − 1, with w = ⌈warm-up N⌉ steps of warm-up:
///   peak (s + 1) / w                          s < w
///   peak ½ (1 + cos(π (s − w) / (N − w)))     else
double learning_rate_at(const FinetuneSettings& settings, std::int64_t step, std::int64_t total_steps);

/// Whole windows in a step: batch_tokens / length, at most what max_tokens holds, at least one.
std::int64_t batch_sequences(const FinetuneSettings& settings, std::int64_t length);

/// Steps of a run that has a time budget alone, assumed until its own are measured: they decide no more than
/// the learning rates of the first few.
inline constexpr std::int64_t unmeasured_steps = 100;

/// Steps of a run before its speed is known: those that max_tokens pays for, at least one; without it
/// unmeasured_steps. The text repeats, in another order each time, for as long as steps ask for windows.
std::int64_t planned_steps(const FinetuneSettings& settings, std::int64_t length);

/// What a run with a time budget has measured, in seconds.
struct MeasuredSeconds {
  double spent = 0.0;       ///< of the budget: everything since the stage began, over all attempts
  double step = 0.0;        ///< of one step
  double validation = 0.0;  ///< of one validation; 0: there are none
};

/// True after steps 3, 6, 12, 24, …: there a time budget is turned into a number of steps, each time from
/// more of them. Between these steps the number stays, and a resumed run goes on with it.
bool is_measuring_step(std::int64_t steps_done);

/// The mean over the run's steps but the first, which also makes what the others find ready; 0 for no steps.
double seconds_per_step(std::span<const FinetunePoint> curve, std::int64_t batch_tokens);

/// Validations of a run where validate_steps does not say: usual_validations, fewer where they would take
/// more than a quarter of max_seconds, at least one.
std::int64_t affordable_validations(const FinetuneSettings& settings, double validation_seconds);

/// Of the whole run, `done` included: what the rest of max_seconds pays for, validations set aside, and at
/// most what max_tokens pays for. An estimate: the time ends the run, possibly before this number is reached
/// and before the learning rate is 0.
std::int64_t affordable_steps(const FinetuneSettings& settings, std::int64_t length, std::int64_t done,
                              const MeasuredSeconds& seconds);

}  // namespace cce
