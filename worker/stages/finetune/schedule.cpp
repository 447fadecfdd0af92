#include "worker/stages/finetune/schedule.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>

namespace cce {
namespace {

constexpr std::int64_t first_measuring_step = 3;
constexpr double validation_share = 0.25;  ///< of a time budget

}  // namespace

double learning_rate_at(const FinetuneSettings& settings, std::int64_t step, std::int64_t total_steps) {
  const auto place = static_cast<double>(step);
  const auto total = static_cast<double>(total_steps);
  const double warm = std::ceil(settings.warmup * total);
  if (place < warm) {
    return settings.learning_rate * (place + 1.0) / warm;
  }
  return settings.learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * (place - warm) / (total - warm)));
}

std::int64_t batch_sequences(const FinetuneSettings& settings, std::int64_t length) {
  const std::int64_t wanted = settings.batch_tokens / length;
  const std::int64_t paid = settings.max_tokens > 0 ? settings.max_tokens / length : wanted;
  return std::max<std::int64_t>(1, std::min(wanted, paid));
}

std::int64_t planned_steps(const FinetuneSettings& settings, std::int64_t length) {
  return settings.max_tokens > 0
             ? std::max<std::int64_t>(1, settings.max_tokens / length / batch_sequences(settings, length))
             : unmeasured_steps;
}

bool is_measuring_step(std::int64_t steps_done) {
  const std::int64_t doublings = steps_done / first_measuring_step;
  return steps_done > 0 && steps_done % first_measuring_step == 0 &&
         std::has_single_bit(static_cast<std::uint64_t>(doublings));
}

double seconds_per_step(std::span<const FinetunePoint> curve, std::int64_t batch_tokens) {
  const auto later = curve.size() > 1 ? curve.subspan(1) : curve;
  double seconds = 0.0;
  for (const FinetunePoint& point : later) {
    seconds += static_cast<double>(batch_tokens) / point.tokens_per_second;
  }
  return later.empty() ? 0.0 : seconds / static_cast<double>(later.size());
}

std::int64_t affordable_validations(const FinetuneSettings& settings, double validation_seconds) {
  if (settings.max_seconds <= 0.0 || validation_seconds <= 0.0) {
    return usual_validations;
  }
  const double paid = validation_share * settings.max_seconds / validation_seconds;
  return static_cast<std::int64_t>(std::clamp(paid, 1.0, static_cast<double>(usual_validations)));
}

std::int64_t affordable_steps(const FinetuneSettings& settings, std::int64_t length, std::int64_t done,
                              const MeasuredSeconds& seconds) {
  double each = std::max(seconds.step, 1e-9);
  double left = std::max(settings.max_seconds - seconds.spent, 0.0);
  if (settings.validate_steps > 0) {
    each += seconds.validation / static_cast<double>(settings.validate_steps);
  } else {  // spread evenly over the budget
    const auto count = static_cast<double>(affordable_validations(settings, seconds.validation));
    left *= std::max(1.0 - count * seconds.validation / settings.max_seconds, 0.0);
  }
  const auto more = static_cast<std::int64_t>(std::min(left / each, 1e12));
  return settings.max_tokens > 0 ? std::max(done, std::min(planned_steps(settings, length), done + more))
                                 : done + more;
}

}  // namespace cce
