#include "worker/stages/finetune_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cce {

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

std::int64_t planned_steps(const FinetuneSettings& settings, std::int64_t length, std::int64_t text_windows) {
  const std::int64_t batch = batch_sequences(settings, length);
  const std::int64_t windows = settings.max_tokens > 0 ? settings.max_tokens / length : text_windows;
  return std::max<std::int64_t>(1, windows / batch);
}

std::int64_t affordable_steps(const FinetuneSettings& settings, std::int64_t planned, std::int64_t done,
                              double seconds) {
  if (settings.max_seconds <= 0.0) {
    return planned;
  }
  const double each = std::max(seconds, 1e-9) / static_cast<double>(std::max<std::int64_t>(done, 1));
  const double more = std::floor(std::max(settings.max_seconds - seconds, 0.0) / each);
  return std::min(planned, done + static_cast<std::int64_t>(std::min(more, 1e12)));
}

}  // namespace cce
