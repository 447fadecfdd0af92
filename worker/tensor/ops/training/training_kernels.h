#pragma once
#include "worker/tensor/cpu/kernels/vector.h"
#include "worker/tensor/ops/rows/row_kernels.h"
#include "worker/tensor/ops/training/training_kernel_table.h"

namespace cce {
namespace {

/// Σ_i a_i b_i: single precision within pieces, double across them.
double inner_product_row(const void* a, DType a_dtype, const void* b, DType b_dtype, std::int64_t n) {
  constexpr std::int64_t piece = 1024;
  double total = 0.0;
  with_activation_type(a_dtype, [&]<typename A>(A*) {
    with_activation_type(b_dtype, [&]<typename B>(B*) {
      const auto* left = static_cast<const A*>(a);
      const auto* right = static_cast<const B*>(b);
      for (std::int64_t first = 0; first < n; first += piece) {
        Floats partial{};
        for_each_vector(n - first < piece ? n - first : piece, [&](std::int64_t i, auto part) {
          partial += load(left + first + i, part) * load(right + first + i, part);
        });
        total += static_cast<double>(sum(partial));
      }
    });
  });
  return total;
}

/// out_j += Σ_i weight_i a_ij b_ij for `vectors` × 16 columns or, at the end of a row, fewer.
template <int vectors, typename Part>
inline void product_sums(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                         const float* weight, std::int64_t rows, float* out, Part part) {
  Floats total[vectors] = {};
  for (std::int64_t i = 0; i < rows; ++i, a += a_stride, b += b_stride) {
    for (int k = 0; k < vectors; ++k) {
      total[k] += weight[i] * load(a + k * lanes, part) * load(b + k * lanes, part);
    }
  }
  for (int k = 0; k < vectors; ++k) {
    store(load(out + k * lanes, part) + total[k], out + k * lanes, part);
  }
}

void product_sums_block(const float* a, std::int64_t a_stride, const float* b, std::int64_t b_stride,
                        const float* weight, std::int64_t rows, float* out, std::int64_t n) {
  std::int64_t j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    product_sums<4>(a + j, a_stride, b + j, b_stride, weight, rows, out + j, AllLanes{});
  }
  for (; j + lanes <= n; j += lanes) {
    product_sums<1>(a + j, a_stride, b + j, b_stride, weight, rows, out + j, AllLanes{});
  }
  if (j < n) {
    product_sums<1>(a + j, a_stride, b + j, b_stride, weight, rows, out + j, SomeLanes{n - j});
  }
}

/// ‖x − y‖² / ‖y‖², and out = 2 scale (x − y) / ‖y‖² unless out is null.
float relative_error_row(const float* x, const void* target, DType target_dtype, double scale, void* out,
                         DType out_dtype, std::int64_t n) {
  float loss = 0.0f;
  with_activation_type(target_dtype, [&]<typename Y>(Y*) {
    const auto* y = static_cast<const Y*>(target);
    Floats errors{}, squares{};
    for_each_vector(n, [&](std::int64_t i, auto part) {
      const Floats at = load(y + i, part), error = load(x + i, part) - at;
      errors += error * error;
      squares += at * at;
    });
    const float square = sum(squares);
    const float inverse = square > 0.0f ? 1.0f / square : 0.0f;
    loss = sum(errors) * inverse;
    if (out == nullptr) {
      return;
    }
    const float factor = static_cast<float>(2.0 * scale) * inverse;
    with_activation_type(out_dtype, [&]<typename G>(G*) {
      auto* gradient = static_cast<G*>(out);
      for_each_vector(n, [&](std::int64_t i, auto part) {
        store(factor * (load(x + i, part) - load(y + i, part)), gradient + i, part);
      });
    });
  });
  return loss;
}

/// The formula of AdamWStep on n elements; `copy` may be null.
void adamw_row(const AdamWFactors& f, const float* __restrict gradient, float* __restrict weights,
               float* __restrict m, float* __restrict v, void* copy, DType copy_dtype, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = f.gradient_scale * gradient[i];
    const float first = f.beta1 * m[i] + f.rest1 * g;
    const float second = f.beta2 * v[i] + f.rest2 * g * g;
    m[i] = first;
    v[i] = second;
    weights[i] =
        f.kept * weights[i] - f.rate * first / (__builtin_sqrtf(second) * f.inverse_root + f.epsilon);
  }
  if (copy != nullptr) {
    convert_row(weights, DType::f32, copy, copy_dtype, n);
  }
}

constexpr TrainingKernels make_training_kernels() {
  return {.inner_product = inner_product_row,
          .product_sums = product_sums_block,
          .relative_error = relative_error_row,
          .adamw = adamw_row};
}

}  // namespace
}  // namespace cce
