#pragma once
#include "worker/tensor/cpu/kernels/vector.h"
#include "worker/tensor/ops/blocks/block_kernel_table.h"
#include "worker/tensor/ops/rows/row_kernels.h"

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

/// A piece of a row of either dtype as f32, on the stack: one loop then serves every combination of dtypes.
constexpr std::int64_t piece_elements = 256;

inline void load_piece(const void* row, DType dtype, std::int64_t first, std::int64_t count, float* piece) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    const auto* source = static_cast<const T*>(row) + first;
    for_each_vector(count,
                    [&](std::int64_t i, auto part) { store(load(source + i, part), piece + i, part); });
  });
}

inline void store_piece(const float* piece, void* row, DType dtype, std::int64_t first, std::int64_t count) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    auto* target = static_cast<T*>(row) + first;
    for_each_vector(count,
                    [&](std::int64_t i, auto part) { store(load(piece + i, part), target + i, part); });
  });
}

/// The activations: v and its slope.
struct SiluGate {
  static Floats inner(Floats x) { return x; }
  static Floats slope(Floats) { return splat(1.0f); }
};
struct GeluTanhGate {
  static constexpr float linear = 1.5957691216057308f, cubic = 0.0713548162726009f;
  static Floats inner(Floats x) { return x * (linear + cubic * x * x); }
  static Floats slope(Floats x) { return linear + 3.0f * cubic * x * x; }
};

/// work(null pointer to the activation's struct)
template <typename Work>
inline void with_gate(Activation activation, const Work& work) {
  if (activation == Activation::gelu_tanh) {
    work(static_cast<GeluTanhGate*>(nullptr));
  } else {
    work(static_cast<SiluGate*>(nullptr));
  }
}

void gated_units_row(Activation activation, const void* gate, DType gate_dtype, const void* up,
                     DType up_dtype, void* out, DType out_dtype, std::int64_t n) {
  alignas(64) float g[piece_elements], u[piece_elements];
  for (std::int64_t first = 0; first < n; first += piece_elements) {
    const std::int64_t count = n - first < piece_elements ? n - first : piece_elements;
    load_piece(gate, gate_dtype, first, count, g);
    load_piece(up, up_dtype, first, count, u);
    with_gate(activation, [&]<typename Gate>(Gate*) {
      for_each_vector(count, [&](std::int64_t i, auto part) {
        const Floats x = load(g + i, part);
        store(x * sigmoid(Gate::inner(x)) * load(u + i, part), g + i, part);
      });
    });
    store_piece(g, out, out_dtype, first, count);
  }
}

/// With s = σ(v(g)): a'(g) = s (1 + g v'(g) (1 − s)). Each piece is read whole before it is written: d_gate and d_up may be
/// the inputs' own memory when the dtypes agree.
void gated_units_backward_row(Activation activation, const void* d_out, DType d_out_dtype, const void* gate,
                              DType gate_dtype, const void* up, DType up_dtype, void* d_gate,
                              DType d_gate_dtype, void* d_up, DType d_up_dtype, std::int64_t n) {
  alignas(64) float d[piece_elements], g[piece_elements], u[piece_elements];
  for (std::int64_t first = 0; first < n; first += piece_elements) {
    const std::int64_t count = n - first < piece_elements ? n - first : piece_elements;
    load_piece(d_out, d_out_dtype, first, count, d);
    load_piece(gate, gate_dtype, first, count, g);
    load_piece(up, up_dtype, first, count, u);
    with_gate(activation, [&]<typename Gate>(Gate*) {
      for_each_vector(count, [&](std::int64_t i, auto part) {
        const Floats x = load(g + i, part), slope = load(d + i, part), s = sigmoid(Gate::inner(x));
        store(slope * load(u + i, part) * s * (1.0f + x * Gate::slope(x) * (1.0f - s)), g + i, part);
        store(slope * x * s, u + i, part);
      });
    });
    store_piece(g, d_gate, d_gate_dtype, first, count);
    store_piece(u, d_up, d_up_dtype, first, count);
  }
}

constexpr BlockKernels make_block_kernels() {
  return {.rms_norm = rms_norm_row,
          .rms_norm_backward = rms_norm_backward_row,
          .rope = rope_row,
          .gated_units = gated_units_row,
          .gated_units_backward = gated_units_backward_row};
}

}  // namespace
}  // namespace cce
