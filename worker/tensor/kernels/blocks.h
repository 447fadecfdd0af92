#pragma once
#include "worker/tensor/kernels/rows.h"
#include "worker/tensor/kernels/vector.h"

namespace cce {
namespace {

/// 1 / √(mean x² + ε)
inline float inverse_rms(const float* x, double epsilon, std::int64_t n) {
  const double mean = static_cast<double>(dot(x, x, n)) / static_cast<double>(n);
  return static_cast<float>(1.0 / __builtin_sqrt(mean + epsilon));
}

void rms_norm_row(const float* x, const float* gain, double epsilon, void* out, DType dtype, std::int64_t n) {
  const float inverse = inverse_rms(x, epsilon, n);
  with_activation_type(dtype, [&]<typename T>(T*) {
    auto* row = static_cast<T*>(out);
    for_each_vector(n, [&](std::int64_t i, auto part) {
      store(load(x + i, part) * inverse * load(gain + i, part), row + i, part);
    });
  });
}

/// With r = 1/√(mean x² + ε) and u = gain ⊙ d_out: d_x += r u − x r³ (u · x) / n.
void rms_norm_backward_row(const float* d_out, const float* x, const float* gain, double epsilon, float* d_x,
                           std::int64_t n) {
  const float inverse = inverse_rms(x, epsilon, n);
  Floats products{};
  for_each_vector(n, [&](std::int64_t i, auto part) {
    products += load(d_out + i, part) * load(gain + i, part) * load(x + i, part);
  });
  const float along = sum(products) * inverse * inverse * inverse / static_cast<float>(n);
  for_each_vector(n, [&](std::int64_t i, auto part) {
    const Floats change = load(d_out + i, part) * load(gain + i, part) * inverse - load(x + i, part) * along;
    store(load(d_x + i, part) + change, d_x + i, part);
  });
}

void rope_row(void* x, DType dtype, const float* cos, const float* sin, std::int64_t groups,
              std::int64_t heads, std::int64_t pairs, float direction) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    auto* head = static_cast<T*>(x);
    for (std::int64_t group = 0; group < groups; ++group, cos += pairs, sin += pairs) {
      for (std::int64_t h = 0; h < heads; ++h, head += 2 * pairs) {
        for_each_vector(pairs, [&](std::int64_t j, auto part) {
          const Floats c = load(cos + j, part);
          const Floats s = direction * load(sin + j, part);
          const Floats first = load(head + j, part);
          const Floats second = load(head + pairs + j, part);
          store(first * c - second * s, head + j, part);
          store(second * c + first * s, head + pairs + j, part);
        });
      }
    }
  });
}

inline Floats sigmoid(Floats x) {
  return 1.0f / (1.0f + exponential(-x));
}

void swiglu_row(const void* gate, DType gate_dtype, const void* up, DType up_dtype, void* out,
                DType out_dtype, std::int64_t n) {
  with_activation_type(gate_dtype, [&]<typename G>(G*) {
    with_activation_type(up_dtype, [&]<typename U>(U*) {
      with_activation_type(out_dtype, [&]<typename O>(O*) {
        for_each_vector(n, [&](std::int64_t i, auto part) {
          const Floats g = load(static_cast<const G*>(gate) + i, part);
          const Floats u = load(static_cast<const U*>(up) + i, part);
          store(g * sigmoid(g) * u, static_cast<O*>(out) + i, part);
        });
      });
    });
  });
}

/// silu'(g) = σ(g) (1 + g (1 − σ(g))). Each vector is read whole before it is written: d_gate and d_up may be
/// the inputs' own memory when the dtypes agree.
void swiglu_backward_row(const void* d_out, DType d_out_dtype, const void* gate, DType gate_dtype,
                         const void* up, DType up_dtype, void* d_gate, DType d_gate_dtype, void* d_up,
                         DType d_up_dtype, std::int64_t n) {
  with_activation_type(d_out_dtype, [&]<typename D>(D*) {
    with_activation_type(gate_dtype, [&]<typename G>(G*) {
      with_activation_type(up_dtype, [&]<typename U>(U*) {
        for_each_vector(n, [&](std::int64_t i, auto part) {
          const Floats d = load(static_cast<const D*>(d_out) + i, part);
          const Floats g = load(static_cast<const G*>(gate) + i, part);
          const Floats u = load(static_cast<const U*>(up) + i, part);
          const Floats s = sigmoid(g);
          const Floats of_gate = d * u * s * (1.0f + g * (1.0f - s));
          const Floats of_up = d * g * s;
          with_activation_type(d_gate_dtype,
                               [&]<typename O>(O*) { store(of_gate, static_cast<O*>(d_gate) + i, part); });
          with_activation_type(d_up_dtype,
                               [&]<typename O>(O*) { store(of_up, static_cast<O*>(d_up) + i, part); });
        });
      });
    });
  });
}

}  // namespace
}  // namespace cce
