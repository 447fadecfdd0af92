#include <cstring>

#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {

void CpuBackend::add(ConstMatrix source, Matrix target, double alpha) {
  check_dtype("add", "target", target, {DType::f32, DType::f64});
  check_dtype("add", "source", source, {DType::f32, DType::bf16, target.dtype});
  check_shape("add", "source", source, target.rows, target.cols);
  check_shape("add", "target", target, target.rows, target.cols);
  in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.add(row_of(source, i), source.dtype, row_of(target, i), target.dtype, alpha, target.cols);
    }
  });
}

void CpuBackend::add_bias(ConstMatrix bias, Matrix x) {
  check_dtype("add_bias", "bias", bias, {DType::f32});
  check_activation("add_bias", "x", x);
  check_shape("add_bias", "bias", bias, 1, x.cols);
  check_shape("add_bias", "x", x, x.rows, x.cols);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.add_bias(bias.as<float>(), row_of(x, i), x.dtype, x.cols);
    }
  });
}

void CpuBackend::scale_rows(ConstMatrix source, ConstMatrix scale, Matrix target) {
  check_activation("scale_rows", "source", source);
  check_activation("scale_rows", "target", target);
  check_dtype("scale_rows", "scale", scale, {DType::f32});
  check_shape("scale_rows", "source", source, target.rows, target.cols);
  check_shape("scale_rows", "target", target, target.rows, target.cols);
  check_shape("scale_rows", "scale", scale, 1, target.rows);
  in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.scale(row_of(source, i), source.dtype, scale.as<float>()[i], row_of(target, i), target.dtype,
                     target.cols);
    }
  });
}

void CpuBackend::row_squared_norms(ConstMatrix x, Matrix out) {
  check_activation("row_squared_norms", "x", x);
  check_dtype("row_squared_norms", "out", out, {DType::f32});
  check_shape("row_squared_norms", "x", x, x.rows, x.cols);
  check_shape("row_squared_norms", "out", out, 1, x.rows);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      out.as<float>()[i] = kernels_.squared_norm(row_of(x, i), x.dtype, x.cols);
    }
  });
}

void CpuBackend::column_sums(ConstMatrix x, ConstMatrix weight, Matrix out) {
  check_activation("column_sums", "x", x);
  check_dtype("column_sums", "out", out, {DType::f32});
  check_shape("column_sums", "x", x, x.rows, x.cols);
  check_shape("column_sums", "out", out, 1, x.cols);
  if (!weight.empty()) {
    check_dtype("column_sums", "weight", weight, {DType::f32});
    check_shape("column_sums", "weight", weight, 1, x.rows);
  }
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
