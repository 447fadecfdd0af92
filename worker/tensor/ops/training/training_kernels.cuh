#pragma once
#include "worker/tensor/ops/blocks/block_kernels.cuh"
#include "worker/tensor/ops/training/training_ops.h"

/// What training adds: backend.h has the formulas.
namespace cce::cuda_kernels {

/// partial[block] ← Σ a ⊙ b over the block's columns (x) and rows (y, strided), in f64.
template <typename = void>
__global__ void inner_product_part(ConstMatrix a, ConstMatrix b, double* partial) {
  double total = 0.0;
  const std::int64_t col = 4 * (static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x);
  if (col < a.cols) {
    for (std::int64_t row = blockIdx.y; row < a.rows; row += gridDim.y) {
      const Quad left = load_quad(a, row, col), right = load_quad(b, row, col);
      for (int i = 0; i < 4; ++i) {
        total += static_cast<double>(left.value[i]) * static_cast<double>(right.value[i]);
      }
    }
  }
  total = block_sum(total, shared_memory());
  if (threadIdx.x == 0) {
    partial[static_cast<std::int64_t>(blockIdx.y) * gridDim.x + blockIdx.x] = total;
  }
}

/// sums_i ← sums_i + Σ_j partial[i][j], i = blockIdx.x, `count` parts each; one block per sum.
template <typename = void>
__global__ void add_partial_sums(const double* partial, std::int64_t count, double* sums) {
  const double* own = partial + static_cast<std::int64_t>(blockIdx.x) * count;
  double total = 0.0;
  for (std::int64_t j = threadIdx.x; j < count; j += blockDim.x) {
    total += own[j];
  }
  total = block_sum(total, shared_memory());
  if (threadIdx.x == 0) {
    sums[blockIdx.x] += total;
  }
}

/// out_t ← 1 / √(mean x_t² + ε), one block per row.
template <typename = void>
__global__ void inverse_rms_of_rows(ConstMatrix x, double epsilon, float* out) {
  const float inverse = inverse_rms(x, blockIdx.x, epsilon, shared_memory());
  if (threadIdx.x == 0) {
    out[blockIdx.x] = inverse;
  }
}

/// One block per row. The gradient, if it has data, may be the target's own memory.
template <typename = void>
__global__ void relative_error_of_rows(ConstMatrix x, ConstMatrix target, float double_scale, float* losses,
                                       Matrix gradient) {
  const std::int64_t row = blockIdx.x;
  float errors = 0.0f, squares = 0.0f;
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    const Quad value = load_quad(x, row, col), wanted = load_quad(target, row, col);
    for (int i = 0; i < 4; ++i) {
      const float error = value.value[i] - wanted.value[i];
      errors += error * error;
      squares += wanted.value[i] * wanted.value[i];
    }
  });
  errors = block_sum(errors, shared_memory());
  squares = block_sum(squares, shared_memory());
  const float inverse = squares == 0.0f ? 0.0f : 1.0f / squares;
  if (threadIdx.x == 0) {
    losses[row] = errors * inverse;
  }
  if (gradient.data == nullptr) {
    return;
  }
  const float factor = double_scale * inverse;
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    Quad value = load_quad(x, row, col);
    const Quad wanted = load_quad(target, row, col);
    for (int i = 0; i < 4; ++i) {
      value.value[i] = factor * (value.value[i] - wanted.value[i]);
    }
    store_quad(value, gradient, row, col);
  });
}

/// The copy is written if it has data.
template <typename = void>
__global__ void adamw_elements(AdamWFactors n, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
                               Matrix copy) {
  for_each_quad(weights.rows, weights.cols, [&](std::int64_t row, std::int64_t col) {
    const Quad slope = load_quad(gradient, row, col);
    Quad w = load_quad(weights, row, col), first = load_quad(m, row, col), second = load_quad(v, row, col);
    for (int i = 0; i < 4; ++i) {
      const float g = n.gradient_scale * slope.value[i];
      first.value[i] = n.beta1 * first.value[i] + n.rest1 * g;
      second.value[i] = n.beta2 * second.value[i] + n.rest2 * g * g;
      w.value[i] = n.kept * w.value[i] -
                   n.rate * first.value[i] / (sqrtf(second.value[i]) * n.inverse_root + n.epsilon);
    }
    store_quad(w, weights, row, col);
    store_quad(first, m, row, col);
    store_quad(second, v, row, col);
    if (copy.data != nullptr) {
      store_quad(w, copy, row, col);
    }
  });
}

}  // namespace cce::cuda_kernels
