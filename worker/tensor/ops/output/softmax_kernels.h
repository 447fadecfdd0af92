#pragma once
#include "worker/tensor/cpu/kernels/vector.h"

namespace cce {
namespace {

constexpr float minus_infinity = -__builtin_inff();

inline float largest(const float* x, std::int64_t n) {
  Floats best = splat(minus_infinity);
  for_each_vector(n, [&](std::int64_t i, auto part) {
    best = larger(best, keep(load(x + i, part), part, minus_infinity));
  });
  return maximum(best);
}

float log_sum_exp_row(const float* logits, std::int64_t n) {
  const float top = largest(logits, n);
  Floats total{};
  for_each_vector(n, [&](std::int64_t i, auto part) {
    total += keep(exponential(load(logits + i, part) - top), part, 0.0f);
  });
  return top + __builtin_logf(sum(total));
}

void probabilities_row(const float* logits, float log_sum_exp, void* out, DType dtype, std::int64_t n) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    auto* row = static_cast<T*>(out);
    for_each_vector(n, [&](std::int64_t i, auto part) {
      store(exponential(load(logits + i, part) - log_sum_exp), row + i, part);
    });
  });
}

/// Sums blocks first and single elements only inside the block that crosses `uniform`.
std::int64_t sample_row(const float* logits, float log_sum_exp, float uniform, std::int64_t n) {
  constexpr std::int64_t block = 256;
  double below = 0.0;
  for (std::int64_t first = 0; first < n; first += block) {
    const std::int64_t count = n - first < block ? n - first : block;
    float p[block];
    Floats partial{};
    for_each_vector(count, [&](std::int64_t i, auto part) {
      const Floats value = exponential(load(logits + first + i, part) - log_sum_exp);
      store(value, p + i, part);
      partial += keep(value, part, 0.0f);
    });
    const double through = below + static_cast<double>(sum(partial));
    if (through > static_cast<double>(uniform)) {
      for (std::int64_t i = 0; i < count; ++i) {
        below += static_cast<double>(p[i]);
        if (below > static_cast<double>(uniform)) {
          return first + i;
        }
      }
      return first + count - 1;
    }
    below = through;
  }
  return n - 1;
}

/// KL(p ‖ q) of softmax(teacher) from softmax(logits), and errors = q − p in their dtype; `errors` may be
/// either input's memory.
float divergence_row(const float* logits, float log_sum_exp, const float* teacher, float teacher_log_sum_exp,
                     void* errors, DType errors_dtype, std::int64_t n) {
  Floats total{};
  with_activation_type(errors_dtype, [&]<typename E>(E*) {
    auto* out = static_cast<E*>(errors);
    for_each_vector(n, [&](std::int64_t i, auto part) {
      const Floats log_q = load(logits + i, part) - log_sum_exp;
      const Floats log_p = load(teacher + i, part) - teacher_log_sum_exp;
      const Floats p = exponential(log_p);
      total += keep(p * (log_p - log_q), part, 0.0f);
      store(exponential(log_q) - p, out + i, part);
    });
  });
  return sum(total);
}

}  // namespace
}  // namespace cce
