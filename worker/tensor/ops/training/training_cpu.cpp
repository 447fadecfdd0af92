#include <algorithm>
#include <cmath>
#include <vector>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/training/training_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
namespace {

/// Rows without gaps between them are one long row, which splits evenly over threads.
bool is_dense(const ConstMatrix& matrix) {
  return matrix.empty() || matrix.stride == matrix.cols;
}

}  // namespace

void add_inner_product(CpuBackend& cpu, ConstMatrix a, ConstMatrix b, Matrix sum) {
  if (a.empty()) {
    return;
  }
  // Pieces do not depend on the threads, and are added in order.
  constexpr std::int64_t piece = 16384;
  const std::int64_t per_row = (a.cols + piece - 1) / piece;
  std::vector<double> partial(static_cast<std::size_t>(a.rows * per_row));
  cpu.in_parallel(a.rows * per_row, std::min(piece, a.cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i / per_row, col = i % per_row * piece;
      partial[static_cast<std::size_t>(i)] = cpu.kernels().training.inner_product(
          element_of(a, row, col), a.dtype, element_of(b, row, col), b.dtype, std::min(piece, a.cols - col));
    }
  });
  double total = 0.0;
  for (const double value : partial) {
    total += value;
  }
  *sum.as<double>() += total;
}

void rms_norm_gain_gradient(CpuBackend& cpu, ConstMatrix d_out, ConstMatrix x, double epsilon,
                            Matrix d_gain) {
  std::vector<float> inverse_rms(static_cast<std::size_t>(x.rows));
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const double squares =
          static_cast<double>(cpu.kernels().rows.squared_norm(row_of(x, i), x.dtype, x.cols));
      inverse_rms[static_cast<std::size_t>(i)] =
          static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(x.cols) + epsilon));
    }
  });
  // Threads take columns, each summed over all rows in order.
  constexpr std::int64_t strip = 64;
  cpu.in_parallel((x.cols + strip - 1) / strip, strip * x.rows,
                  [&](std::int64_t first, std::int64_t last, int) {
                    const std::int64_t begin = first * strip, end = std::min(last * strip, x.cols);
                    cpu.kernels().training.product_sums(d_out.as<float>() + begin, d_out.stride,
                                                        x.as<float>() + begin, x.stride, inverse_rms.data(),
                                                        x.rows, d_gain.as<float>() + begin, end - begin);
                  });
}

void relative_error(CpuBackend& cpu, ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                    Matrix gradient) {
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      losses.as<float>()[i] = cpu.kernels().training.relative_error(
          x.as<float>() + i * x.stride, row_of(target, i), target.dtype, scale,
          gradient.empty() ? nullptr : row_of(gradient, i), gradient.dtype, x.cols);
    }
  });
}

void adamw(CpuBackend& cpu, const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
           Matrix copy) {
  const AdamWFactors factors = adamw_factors(step);
  const bool dense = is_dense(gradient) && is_dense(weights) && is_dense(m) && is_dense(v) && is_dense(copy);
  const std::int64_t rows = dense ? 1 : weights.rows,
                     cols = dense ? weights.rows * weights.cols : weights.cols;
  // Pieces, so that the copy is rounded from the first-level cache.
  constexpr std::int64_t piece = 1024;
  const std::int64_t per_row = (cols + piece - 1) / piece;
  cpu.in_parallel(rows * per_row, std::min(piece, cols), [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t row = i / per_row, col = i % per_row * piece;
      const auto at = [&](const auto& matrix) {
        return matrix.template as<float>() + row * matrix.stride + col;
      };
      cpu.kernels().training.adamw(factors, at(gradient), at(weights), at(m), at(v),
                                   copy.empty() ? nullptr : element_of(copy, row, col), copy.dtype,
                                   std::min(piece, cols - col));
    }
  });
}

}  // namespace cpu_ops

const TrainingOps& cpu_training_ops() {
  static constexpr TrainingOps table{
      .add_inner_product = OpEntry<CpuBackend, cpu_ops::add_inner_product>::call,
      .rms_norm_gain_gradient = OpEntry<CpuBackend, cpu_ops::rms_norm_gain_gradient>::call,
      .relative_error = OpEntry<CpuBackend, cpu_ops::relative_error>::call,
      .adamw = OpEntry<CpuBackend, cpu_ops::adamw>::call};
  return table;
}

}  // namespace cce
