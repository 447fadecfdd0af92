#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {
namespace {

AdamWFactors factors_of(const AdamWStep& step) {
  const auto t = static_cast<double>(step.step);
  return {.gradient_scale = static_cast<float>(step.gradient_scale),
          .beta1 = static_cast<float>(step.beta1),
          .rest1 = static_cast<float>(1.0 - step.beta1),
          .beta2 = static_cast<float>(step.beta2),
          .rest2 = static_cast<float>(1.0 - step.beta2),
          .kept = static_cast<float>(1.0 - step.learning_rate * step.weight_decay),
          .rate = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
          .inverse_root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t))),
          .epsilon = static_cast<float>(step.epsilon)};
}

/// Rows without gaps between them are one long row, which splits evenly over threads.
bool is_dense(const ConstMatrix& matrix) {
  return matrix.empty() || matrix.stride == matrix.cols;
}

}  // namespace

void CpuBackend::add_inner_product(ConstMatrix a, ConstMatrix b, Matrix sum) {
  check_inner_product(a, b, sum);
  if (a.empty()) {
    return;
  }
  // Pieces do not depend on the threads, and are added in order.
  constexpr std::int64_t piece = 16384;
  const std::int64_t per_row = (a.cols + piece - 1) / piece;
  std::vector<double> partial(static_cast<std::size_t>(a.rows * per_row));
  in_parallel(a.rows * per_row, std::min(piece, a.cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i / per_row, col = i % per_row * piece;
      partial[static_cast<std::size_t>(i)] = kernels_.inner_product(
          element_of(a, row, col), a.dtype, element_of(b, row, col), b.dtype, std::min(piece, a.cols - col));
    }
  });
  double total = 0.0;
  for (const double value : partial) {
    total += value;
  }
  *sum.as<double>() += total;
}

void CpuBackend::rms_norm_gain_gradient(ConstMatrix d_out, ConstMatrix x, double epsilon, Matrix d_gain) {
  check_gain_gradient(d_out, x, d_gain);
  std::vector<float> inverse_rms(static_cast<std::size_t>(x.rows));
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const double squares = static_cast<double>(kernels_.squared_norm(row_of(x, i), x.dtype, x.cols));
      inverse_rms[static_cast<std::size_t>(i)] =
          static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(x.cols) + epsilon));
    }
  });
  // Threads take columns, each summed over all rows in order.
  constexpr std::int64_t strip = 64;
  in_parallel((x.cols + strip - 1) / strip, strip * x.rows, [&](std::int64_t first, std::int64_t last, int) {
    const std::int64_t begin = first * strip, end = std::min(last * strip, x.cols);
    kernels_.product_sums(d_out.as<float>() + begin, d_out.stride, x.as<float>() + begin, x.stride,
                          inverse_rms.data(), x.rows, d_gain.as<float>() + begin, end - begin);
  });
}

void CpuBackend::relative_error(ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                                Matrix gradient) {
  check_relative_error(x, target, losses, gradient);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      losses.as<float>()[i] =
          kernels_.relative_error(x.as<float>() + i * x.stride, row_of(target, i), target.dtype, scale,
                                  gradient.empty() ? nullptr : row_of(gradient, i), gradient.dtype, x.cols);
    }
  });
}

void CpuBackend::adamw(const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
                       Matrix copy) {
  check_adamw(step, gradient, weights, m, v, copy);
  const AdamWFactors factors = factors_of(step);
  const bool dense = is_dense(gradient) && is_dense(weights) && is_dense(m) && is_dense(v) && is_dense(copy);
  const std::int64_t rows = dense ? 1 : weights.rows,
                     cols = dense ? weights.rows * weights.cols : weights.cols;
  // Pieces, so that the copy is rounded from the first-level cache.
  constexpr std::int64_t piece = 1024;
  const std::int64_t per_row = (cols + piece - 1) / piece;
  in_parallel(rows * per_row, std::min(piece, cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i / per_row, col = i % per_row * piece;
      const auto at = [&](const auto& matrix) {
        return matrix.template as<float>() + row * matrix.stride + col;
      };
      kernels_.adamw(factors, at(gradient), at(weights), at(m), at(v),
                     copy.empty() ? nullptr : element_of(copy, row, col), copy.dtype,
                     std::min(piece, cols - col));
    }
  });
}

}  // namespace cce
