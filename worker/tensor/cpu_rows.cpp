#include <algorithm>

#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {
namespace {

/// Σ x_i² in eight partial sums, a fixed order that vectorises.
double squared_norm(const double* x, std::int64_t count) {
  constexpr std::int64_t lanes = 8;
  double partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      partial[lane] += x[i + lane] * x[i + lane];
    }
  }
  double sum = 0.0;
  for (; i < count; ++i) {
    sum += x[i] * x[i];
  }
  for (const double value : partial) {
    sum += value;
  }
  return sum;
}

}  // namespace

void CpuBackend::add(ConstMatrix source, Matrix target, double alpha) {
  check_add(source, target);
  in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.add(row_of(source, i), source.dtype, row_of(target, i), target.dtype, alpha, target.cols);
    }
  });
}

void CpuBackend::add_bias(ConstMatrix bias, Matrix x) {
  check_add_bias(bias, x);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.add_bias(bias.as<float>(), row_of(x, i), x.dtype, x.cols);
    }
  });
}

void CpuBackend::scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) {
  check_scale_rows(source, scale, target);
  if (target.dtype == DType::f64) {
    in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        const double* from = source.as<double>() + i * source.stride;
        double* to = target.as<double>() + i * target.stride;
        std::transform(from, from + target.cols, to,
                       [factor = scale.as<double>()[i]](double value) { return factor * value; });
      }
    });
    return;
  }
  in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.scale(row_of(source, i), source.dtype, scale.as<float>()[i], row_of(target, i), target.dtype,
                     target.cols);
    }
  });
}

void CpuBackend::row_squared_norms(ConstMatrix x, Matrix out) {
  check_row_squared_norms(x, out);
  if (x.dtype == DType::f64) {
    in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        out.as<double>()[i] = squared_norm(x.as<double>() + i * x.stride, x.cols);
      }
    });
    return;
  }
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      out.as<float>()[i] = kernels_.squared_norm(row_of(x, i), x.dtype, x.cols);
    }
  });
}

void CpuBackend::column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) {
  check_column_sums(x, weight, out);
  // Threads take columns, each summed over all rows in order. A strip's rows fill whole cache lines.
  constexpr std::int64_t strip = 64;
  const float* weights = weight.empty() ? nullptr : weight.as<float>();
  in_parallel((x.cols + strip - 1) / strip, strip * x.rows, [&](std::int64_t first, std::int64_t last, int) {
    const std::int64_t begin = first * strip, end = last * strip < x.cols ? last * strip : x.cols;
    kernels_.column_sums(element_of(x, 0, begin), x.dtype, x.rows, x.stride, weights, out.as<float>() + begin,
                         end - begin);
  });
}

}  // namespace cce
