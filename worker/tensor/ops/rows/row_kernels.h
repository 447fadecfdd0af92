#pragma once
#include "worker/tensor/cpu/kernels/half.h"
#include "worker/tensor/cpu/kernels/vector.h"
#include "worker/tensor/ops/rows/row_kernel_table.h"

namespace cce {
namespace {

template <typename Source, typename Target>
inline void convert_elements(const Source* source, Target* target, std::int64_t n) {
  if constexpr (sizeof(Source) == sizeof(Target) && __is_same(Source, Target)) {
    __builtin_memcpy(static_cast<void*>(target), source, static_cast<std::size_t>(n) * sizeof(Source));
  } else {
    for (std::int64_t i = 0; i < n; ++i) {
      target[i] = Element<Target>::from(Element<Source>::to(source[i]));
    }
  }
}

template <typename Source>
inline void convert_from(const Source* source, void* target, DType target_dtype, std::int64_t n) {
  switch (target_dtype) {
    case DType::f32:
      return convert_elements(source, static_cast<float*>(target), n);
    case DType::bf16:
      return convert_elements(source, static_cast<BFloat16*>(target), n);
    case DType::f16:
      return convert_elements(source, static_cast<Float16*>(target), n);
    case DType::f64:
      return convert_elements(source, static_cast<double*>(target), n);
  }
}

void convert_row(const void* source, DType source_dtype, void* target, DType target_dtype, std::int64_t n) {
  switch (source_dtype) {
    case DType::f32:
      return convert_from(static_cast<const float*>(source), target, target_dtype, n);
    case DType::bf16:
      return convert_from(static_cast<const BFloat16*>(source), target, target_dtype, n);
    case DType::f16:
      return convert_from(static_cast<const Float16*>(source), target, target_dtype, n);
    case DType::f64:
      return convert_from(static_cast<const double*>(source), target, target_dtype, n);
  }
}

template <typename Source>
inline void add_to_f64(const Source* source, double* target, double alpha, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    target[i] += alpha * static_cast<double>(Element<Source>::to(source[i]));
  }
}

void add_row(const void* source, DType source_dtype, void* target, DType target_dtype, double alpha,
             std::int64_t n) {
  if (target_dtype == DType::f64) {
    auto* out = static_cast<double*>(target);
    if (source_dtype == DType::f64) {
      return add_to_f64(static_cast<const double*>(source), out, alpha, n);
    }
    return with_activation_type(
        source_dtype, [&]<typename T>(T*) { add_to_f64(static_cast<const T*>(source), out, alpha, n); });
  }
  auto* out = static_cast<float*>(target);
  const auto factor = static_cast<float>(alpha);
  with_activation_type(source_dtype, [&]<typename T>(T*) {
    const auto* in = static_cast<const T*>(source);
    for_each_vector(n, [&](std::int64_t i, auto part) {
      store(load(out + i, part) + factor * load(in + i, part), out + i, part);
    });
  });
}

void add_bias_row(const float* bias, void* x, DType dtype, std::int64_t n) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    auto* row = static_cast<T*>(x);
    for_each_vector(n, [&](std::int64_t i, auto part) {
      store(load(row + i, part) + load(bias + i, part), row + i, part);
    });
  });
}

void scale_row(const void* source, DType source_dtype, float factor, void* target, DType target_dtype,
               std::int64_t n) {
  with_activation_type(source_dtype, [&]<typename S>(S*) {
    with_activation_type(target_dtype, [&]<typename T>(T*) {
      const auto* in = static_cast<const S*>(source);
      auto* out = static_cast<T*>(target);
      for_each_vector(n,
                      [&](std::int64_t i, auto part) { store(factor * load(in + i, part), out + i, part); });
    });
  });
}

template <typename T>
inline float dot(const T* a, const T* b, std::int64_t n) {
  Floats total{};
  for_each_vector(n, [&](std::int64_t i, auto part) { total += load(a + i, part) * load(b + i, part); });
  return sum(total);
}

float squared_norm_row(const void* x, DType dtype, std::int64_t n) {
  float result = 0.0f;
  with_activation_type(dtype, [&]<typename T>(T*) {
    const auto* row = static_cast<const T*>(x);
    result = dot(row, row, n);
  });
  return result;
}

void column_sums_block(const void* x, DType dtype, std::int64_t rows, std::int64_t stride,
                       const float* weight, float* out, std::int64_t n) {
  with_activation_type(dtype, [&]<typename T>(T*) {
    const auto* first = static_cast<const T*>(x);
    for_each_vector(n, [&](std::int64_t j, auto part) {
      Floats total{};
      for (std::int64_t i = 0; i < rows; ++i) {
        total += (weight == nullptr ? 1.0f : weight[i]) * load(first + i * stride + j, part);
      }
      store(load(out + j, part) + total, out + j, part);
    });
  });
}

constexpr RowKernels make_row_kernels() {
  return {.convert = convert_row,
          .add = add_row,
          .add_bias = add_bias_row,
          .scale = scale_row,
          .squared_norm = squared_norm_row,
          .column_sums = column_sums_block};
}

}  // namespace
}  // namespace cce
