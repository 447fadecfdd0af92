#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

/// α op(A) op(B) + β C in the dtypes a → c; error scaled by the largest element.
struct ProductRow {
  const char* name;
  std::int64_t rows, cols, depth;
  Transpose transpose_a, transpose_b;
  DType a_dtype, c_dtype;
  double alpha, beta, tolerance;
};

inline constexpr auto plain = Transpose::no;
inline constexpr auto turned = Transpose::yes;

inline constexpr ProductRow product_rows[] = {
    {"one_element", 1, 1, 1, plain, plain, DType::f32, DType::f32, 1, 0, 1e-6},
    {"one_row", 1, 37, 19, plain, turned, DType::f32, DType::f32, 1, 0, 2e-6},
    {"one_column", 37, 1, 19, plain, plain, DType::f32, DType::f32, 1, 0, 2e-6},
    {"f32", 33, 21, 47, plain, plain, DType::f32, DType::f32, 1, 0, 2e-6},
    {"f32_weights", 64, 48, 32, plain, turned, DType::f32, DType::f32, 1, 0, 2e-6},
    {"f32_cross", 33, 21, 47, turned, plain, DType::f32, DType::f32, 0.5, 1, 2e-6},
    {"f32_both", 17, 21, 47, turned, turned, DType::f32, DType::f32, -2, 0.25, 2e-6},
    {"bf16_to_f32", 33, 21, 47, plain, plain, DType::bf16, DType::f32, 1, 0, 2e-6},
    {"bf16_weights", 65, 31, 96, plain, turned, DType::bf16, DType::f32, 1, 1, 2e-6},
    {"bf16_cross", 33, 21, 130, turned, plain, DType::bf16, DType::f32, 1, 1, 2e-6},
    {"bf16_both", 17, 21, 47, turned, turned, DType::bf16, DType::f32, 0.5, 0.5, 2e-6},
    {"bf16_to_bf16", 65, 31, 96, plain, turned, DType::bf16, DType::bf16, 1, 0, 5e-3},
    {"bf16_to_bf16_backward", 65, 96, 31, plain, plain, DType::bf16, DType::bf16, 1, 0, 5e-3},
    {"bf16_one_row", 1, 96, 64, plain, turned, DType::bf16, DType::bf16, 1, 0, 5e-3},
    {"f64", 33, 21, 47, plain, plain, DType::f64, DType::f64, 1, 0, 1e-14},
    {"f64_weights", 33, 21, 47, plain, turned, DType::f64, DType::f64, 2, 1, 1e-14},
    {"f64_cross", 33, 21, 47, turned, plain, DType::f64, DType::f64, 1, -1, 1e-14},
    {"f64_both", 33, 21, 47, turned, turned, DType::f64, DType::f64, 1, 0, 1e-14},
    {"no_depth_keeps_c", 5, 7, 0, plain, plain, DType::f32, DType::f32, 1, 1, 0},
    {"no_depth_clears_c", 5, 7, 0, plain, plain, DType::f64, DType::f64, 1, 0, 0},
    {"alpha_zero", 5, 7, 3, plain, plain, DType::bf16, DType::f32, 0, 0.5, 1e-7},
    {"no_rows", 0, 7, 3, plain, plain, DType::f32, DType::f32, 1, 0, 0}};

/// The scaled error of one row on a backend.
inline double product_error(Backend& backend, const ProductRow& row) {
  const bool a_turned = row.transpose_a == turned, b_turned = row.transpose_b == turned;
  Dense a = wave_matrix(a_turned ? row.depth : row.rows, a_turned ? row.rows : row.depth, 1);
  Dense b = wave_matrix(b_turned ? row.cols : row.depth, b_turned ? row.depth : row.cols, 2);
  Dense c = wave_matrix(row.rows, row.cols, 3);
  Guarded device_a(backend, row.a_dtype, a), device_b(backend, row.a_dtype, b),
      device_c(backend, row.c_dtype, c);
  ops::multiply(backend, device_a, row.transpose_a, device_b, row.transpose_b, device_c, row.alpha, row.beta);
  Dense expected =
      reference::multiply(a_turned ? reference::transpose(a) : a, b_turned ? reference::transpose(b) : b);
  for (std::size_t i = 0; i < expected.values.size(); ++i) {
    expected.values[i] = row.alpha * expected.values[i] + row.beta * c.values[i];
  }
  return scaled_error(device_c.get(), expected);
}

TEST_P(BackendSuite, multiply) {
  for (const ProductRow& row : product_rows) {
    EXPECT_LE(product_error(backend(), row), row.tolerance) << row.name;
  }
}

TEST_P(BackendSuite, multiply_overwrites_what_beta_zero_forgets) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    Dense a = wave_matrix(9, 33, 1), b = wave_matrix(33, 17, 2), c(9, 17);
    std::fill(c.values.begin(), c.values.end(), std::nan(""));
    Guarded device_a = put(dtype, a), device_b = put(dtype, b), device_c = put(dtype, c);
    ops::multiply(backend(), device_a, plain, device_b, plain, device_c);
    EXPECT_LE(scaled_error(device_c.get(), reference::multiply(a, b)), 1e-2) << name(dtype);
  }
}

TEST_P(BackendSuite, multiply_repeats_to_the_bit) {
  Dense a = wave_matrix(130, 70, 1), b = wave_matrix(90, 70, 2);
  Guarded device_a = put(DType::bf16, a), device_b = put(DType::bf16, b);
  Guarded first = make(DType::f32, 130, 90), second = make(DType::f32, 130, 90);
  ops::multiply(backend(), device_a, plain, device_b, turned, first);
  ops::multiply(backend(), device_a, plain, device_b, turned, second);
  EXPECT_EQ(first.get().values, second.get().values);
}

TEST_P(BackendSuite, multiply_refuses_bad_arguments) {
  Guarded a = make(DType::f32, 4, 5), b = make(DType::f32, 5, 6), c = make(DType::f32, 4, 6);
  Guarded narrow = make(DType::f32, 4, 5), half = make(DType::bf16, 5, 6), wide = make(DType::f64, 4, 6);
  Guarded half_a = make(DType::bf16, 4, 5), half_c = make(DType::bf16, 4, 6);
  const auto call = [&](Guarded& x, Transpose tx, Guarded& y, Transpose ty, Guarded& z, double beta = 0.0) {
    return [&, tx, ty, beta] { ops::multiply(backend(), x, tx, y, ty, z, 1.0, beta); };
  };
  expect_error(ErrorCode::shape_mismatch, call(a, turned, b, plain, c));
  expect_error(ErrorCode::shape_mismatch, call(a, plain, b, turned, c));
  expect_error(ErrorCode::shape_mismatch, call(a, plain, b, plain, narrow));
  expect_error(ErrorCode::unsupported, call(a, plain, half, plain, c));
  expect_error(ErrorCode::unsupported, call(a, plain, b, plain, wide));
  expect_error(ErrorCode::unsupported, call(half_a, plain, half, plain, half_c, 1.0));
}

struct GramRow {
  const char* name;
  std::int64_t tokens, features;
  DType dtype;
  double tolerance;
};
inline constexpr GramRow gram_rows[] = {{"one_token", 1, 5, DType::f32, 2e-6},
                                        {"one_feature", 70, 1, DType::bf16, 2e-6},
                                        {"f32", 70, 45, DType::f32, 2e-6},
                                        {"bf16", 70, 45, DType::bf16, 2e-6},
                                        {"bf16_aligned", 64, 64, DType::bf16, 2e-6},
                                        {"bf16_many_tokens", 1500, 33, DType::bf16, 2e-6},
                                        {"bf16_many_blocks", 67, 1100, DType::bf16, 2e-6},
                                        {"bf16_sum_in_parts", 3200, 37, DType::bf16, 2e-6},
                                        {"f64", 70, 45, DType::f64, 1e-14},
                                        {"no_tokens", 0, 6, DType::bf16, 0}};

TEST_P(BackendSuite, gram_adds_both_triangles) {
  for (const GramRow& row : gram_rows) {
    SCOPED_TRACE(row.name);
    Dense features = wave_matrix(row.tokens, row.features, 4),
          start = wave_matrix(row.features, row.features, 5);
    for (std::int64_t i = 0; i < row.features; ++i) {
      for (std::int64_t j = 0; j < i; ++j) {
        start(i, j) = start(j, i);
      }
    }
    Guarded device = put(row.dtype, features);
    Guarded gram = put(row.dtype == DType::f64 ? DType::f64 : DType::f32, start);
    ops::gram(backend(), device, gram);
    Dense expected = reference::multiply(reference::transpose(features), features);
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      expected.values[i] += start.values[i];
    }
    const Dense found = gram.get();
    EXPECT_LE(scaled_error(found, expected), row.tolerance);
    EXPECT_EQ(found.values, reference::transpose(found).values);
  }
}

TEST_P(BackendSuite, gram_refuses_bad_arguments) {
  Guarded features = make(DType::bf16, 8, 5), square = make(DType::f32, 5, 5), other = make(DType::f32, 6, 6);
  Guarded half = make(DType::bf16, 5, 5);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::gram(backend(), features, other); });
  expect_error(ErrorCode::unsupported, [&] { ops::gram(backend(), features, half); });
  EXPECT_NO_THROW(ops::gram(backend(), features, square));
}

}  // namespace cce::backend_suite
