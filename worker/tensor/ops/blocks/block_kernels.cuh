#pragma once
#include "common/model/activation.h"
#include "worker/tensor/ops/rows/row_kernels.cuh"

/// The blocks of a decoder: backend.h has the formulas.
namespace cce::cuda_kernels {

/// 1 / √(mean x² + ε) of this block's row, in every thread.
__device__ inline float inverse_rms(const ConstMatrix& x, std::int64_t row, double epsilon,
                                    unsigned char* shared) {
  const double mean = static_cast<double>(squares_of_row(x, row, shared)) / static_cast<double>(x.cols);
  return static_cast<float>(1.0 / sqrt(mean + epsilon));
}

/// out_t ← scale · table[ids_t]
template <typename = void>
__global__ void embed_rows(const std::int32_t* ids, ConstMatrix table, float scale, Matrix out) {
  for_each_quad(out.rows, out.cols, [&](std::int64_t row, std::int64_t col) {
    Quad value = load_quad(table, ids[row], col);
    for (float& number : value.value) {
      number *= scale;
    }
    store_quad(value, out, row, col);
  });
}

/// One block per row.
template <typename = void>
__global__ void rms_norm_rows(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  const std::int64_t row = blockIdx.x;
  const float inverse = inverse_rms(x, row, epsilon, shared_memory());
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    Quad value = load_quad(x, row, col);
    const Quad factor = load_quad(gain, 0, col);
    for (int i = 0; i < 4; ++i) {
      value.value[i] *= inverse * factor.value[i];
    }
    store_quad(value, out, row, col);
  });
}

/// With r = 1/√(mean x² + ε) and u = gain ⊙ d_out: d_x += r u − x r³ (u · x) / n. One block per row.
template <typename = void>
__global__ void rms_norm_backward_rows(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                       Matrix d_x) {
  const std::int64_t row = blockIdx.x;
  const float inverse = inverse_rms(x, row, epsilon, shared_memory());
  float products = 0.0f;
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    const Quad slope = load_quad(d_out, row, col), factor = load_quad(gain, 0, col),
               value = load_quad(x, row, col);
    for (int i = 0; i < 4; ++i) {
      products += slope.value[i] * factor.value[i] * value.value[i];
    }
  });
  products = block_sum(products, shared_memory());
  const float along = products * inverse * inverse * inverse / static_cast<float>(x.cols);
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    const Quad slope = load_quad(d_out, row, col), factor = load_quad(gain, 0, col),
               value = load_quad(x, row, col);
    Quad sum = load_quad(d_x, row, col);
    for (int i = 0; i < 4; ++i) {
      sum.value[i] += slope.value[i] * factor.value[i] * inverse - value.value[i] * along;
    }
    store_quad(sum, d_x, row, col);
  });
}

/// What rope turns: see ops::rope.
struct RopeArguments {
  Matrix x;
  ConstMatrix cos, sin;
  std::int64_t heads_per_group, pairs, length, first_position;
  float direction;  ///< 1, or −1 to turn back
};

/// A thread per pair, pairs of all heads along x and rows along y.
template <typename T>
__global__ void rope_pairs(RopeArguments a) {
  const std::int64_t pair = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (2 * pair >= a.x.cols) {
    return;
  }
  const std::int64_t head = pair / a.pairs, j = pair % a.pairs;
  const std::int64_t angle = head / a.heads_per_group * a.pairs + j;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * blockDim.y;
  for (std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * blockDim.y + threadIdx.y; row < a.x.rows;
       row += step) {
    const std::int64_t position = a.first_position + row % a.length;
    const float c = static_cast<const float*>(a.cos.data)[position * a.cos.stride + angle];
    const float s = a.direction * static_cast<const float*>(a.sin.data)[position * a.sin.stride + angle];
    T* first = static_cast<T*>(a.x.data) + row * a.x.stride + head * 2 * a.pairs + j;
    T* second = first + a.pairs;
    const float x = to_number(*first), y = to_number(*second);
    *first = from_number<T>(x * c - y * s);
    *second = from_number<T>(y * c + x * s);
  }
}

__device__ inline float sigmoid(float x) {
  return 1.0f / (1.0f + expf(-x));
}

/// The activations: v and its slope.
struct SiluGate {
  __device__ static float inner(float x) { return x; }
  __device__ static float slope(float) { return 1.0f; }
};
struct GeluTanhGate {
  static constexpr float linear = 1.5957691216057308f, cubic = 0.0713548162726009f;
  __device__ static float inner(float x) { return x * (linear + cubic * x * x); }
  __device__ static float slope(float x) { return linear + 3.0f * cubic * x * x; }
};

/// work(null pointer to the activation's struct)
template <typename Work>
void with_gate(Activation activation, const Work& work) {
  if (activation == Activation::gelu_tanh) {
    work(static_cast<GeluTanhGate*>(nullptr));
  } else {
    work(static_cast<SiluGate*>(nullptr));
  }
}

template <typename Gate>
__global__ void gated_units_elements(ConstMatrix gate, ConstMatrix up, Matrix out) {
  for_each_quad(out.rows, out.cols, [&](std::int64_t row, std::int64_t col) {
    Quad g = load_quad(gate, row, col);
    const Quad u = load_quad(up, row, col);
    for (int i = 0; i < 4; ++i) {
      g.value[i] *= sigmoid(Gate::inner(g.value[i])) * u.value[i];
    }
    store_quad(g, out, row, col);
  });
}

/// With s = σ(v(g)): a'(g) = s (1 + g v'(g) (1 − s)). Each quad is read whole before it is written: d_gate and d_up may be
/// the inputs' own memory when the dtypes agree.
template <typename Gate>
__global__ void gated_units_backward_elements(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up,
                                              Matrix d_gate, Matrix d_up) {
  for_each_quad(gate.rows, gate.cols, [&](std::int64_t row, std::int64_t col) {
    const Quad slope = load_quad(d_out, row, col), g = load_quad(gate, row, col), u = load_quad(up, row, col);
    Quad of_gate{}, of_up{};
    for (int i = 0; i < 4; ++i) {
      const float s = sigmoid(Gate::inner(g.value[i]));
      const float bend = g.value[i] * Gate::slope(g.value[i]);
      of_gate.value[i] = slope.value[i] * u.value[i] * s * (1.0f + bend * (1.0f - s));
      of_up.value[i] = slope.value[i] * g.value[i] * s;
    }
    store_quad(of_gate, d_gate, row, col);
    store_quad(of_up, d_up, row, col);
  });
}

}  // namespace cce::cuda_kernels
