#include <algorithm>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/rows/row_ops.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
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

void convert(CpuBackend& cpu, ConstMatrix source, Matrix target) {
  cpu.in_parallel(source.empty() ? 0 : source.rows, source.cols,
                  [&](std::int64_t first, std::int64_t last, int) {
                    for (std::int64_t i = first; i < last; ++i) {
                      cpu.kernels().rows.convert(row_of(source, i), source.dtype, row_of(target, i),
                                                 target.dtype, source.cols);
                    }
                  });
}

void add(CpuBackend& cpu, ConstMatrix source, Matrix target, double alpha) {
  cpu.in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().rows.add(row_of(source, i), source.dtype, row_of(target, i), target.dtype, alpha,
                             target.cols);
    }
  });
}

void add_bias(CpuBackend& cpu, ConstMatrix bias, Matrix x) {
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().rows.add_bias(bias.as<float>(), row_of(x, i), x.dtype, x.cols);
    }
  });
}

void scale_rows(CpuBackend& cpu, ConstMatrix source, ConstMatrix scale, Matrix target) {
  if (target.dtype == DType::f64) {
    cpu.in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        const double* from = source.as<double>() + i * source.stride;
        double* to = target.as<double>() + i * target.stride;
        std::transform(from, from + target.cols, to,
                       [factor = scale.as<double>()[i]](double value) { return factor * value; });
      }
    });
    return;
  }
  cpu.in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().rows.scale(row_of(source, i), source.dtype, scale.as<float>()[i], row_of(target, i),
                               target.dtype, target.cols);
    }
  });
}

void row_squared_norms(CpuBackend& cpu, ConstMatrix x, Matrix out) {
  if (x.dtype == DType::f64) {
    cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        out.as<double>()[i] = squared_norm(x.as<double>() + i * x.stride, x.cols);
      }
    });
    return;
  }
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      out.as<float>()[i] = cpu.kernels().rows.squared_norm(row_of(x, i), x.dtype, x.cols);
    }
  });
}

void column_sums(CpuBackend& cpu, ConstMatrix x, ConstMatrix weight, Matrix out) {
  // Threads take columns, each summed over all rows in order. A strip's rows fill whole cache lines.
  constexpr std::int64_t strip = 64;
  const float* weights = weight.empty() ? nullptr : weight.as<float>();
  cpu.in_parallel(
      (x.cols + strip - 1) / strip, strip * x.rows, [&](std::int64_t first, std::int64_t last, int) {
        const std::int64_t begin = first * strip, end = last * strip < x.cols ? last * strip : x.cols;
        cpu.kernels().rows.column_sums(element_of(x, 0, begin), x.dtype, x.rows, x.stride, weights,
                                       out.as<float>() + begin, end - begin);
      });
}

}  // namespace cpu_ops

const RowOps& cpu_row_ops() {
  static constexpr RowOps table{.convert = OpEntry<CpuBackend, cpu_ops::convert>::call,
                                .add = OpEntry<CpuBackend, cpu_ops::add>::call,
                                .add_bias = OpEntry<CpuBackend, cpu_ops::add_bias>::call,
                                .scale_rows = OpEntry<CpuBackend, cpu_ops::scale_rows>::call,
                                .row_squared_norms = OpEntry<CpuBackend, cpu_ops::row_squared_norms>::call,
                                .column_sums = OpEntry<CpuBackend, cpu_ops::column_sums>::call};
  return table;
}

}  // namespace cce
