#pragma once
#include <bit>
#include <limits>

#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

TEST_P(BackendSuite, convert_rounds_to_nearest_even) {
  const float specials[] = {0.0f,     -0.0f,  1.0f,     1.00390625f, 1.01171875f, 3.4e38f,
                            -3.4e38f, 1e-40f, INFINITY, -INFINITY,   65504.0f,    65519.0f,
                            65520.0f, 6e-8f,  1e-5f,    -2.5f,       0.1f,        1e-30f};
  const auto count = static_cast<std::int64_t>(std::size(specials));
  OwnedMatrix source = backend().matrix(DType::f32, 1, count), half = backend().matrix(DType::bf16, 1, count);
  backend().upload({specials, DType::f32, 1, count, count}, source.view());
  ops::convert(backend(), source.view(), half.view());
  std::vector<BFloat16> found(std::size(specials));
  backend().download(half.view(), {found.data(), DType::bf16, 1, count, count});
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].bits, to_bfloat16(specials[i]).bits) << specials[i];
  }
}

struct HalfRow {
  float value;
  std::uint16_t bits;
};
/// IEEE 754 binary16: normal, subnormal, halfway to even, overflow.
inline constexpr HalfRow half_rows[] = {
    {0.0f, 0x0000},          {-0.0f, 0x8000},          {1.0f, 0x3c00},           {-2.0f, 0xc000},
    {65504.0f, 0x7bff},      {65519.0f, 0x7bff},       {65520.0f, 0x7c00},       {1e6f, 0x7c00},
    {-1e6f, 0xfc00},         {0x1p-14f, 0x0400},       {0x1p-24f, 0x0001},       {0x1.8p-24f, 0x0002},
    {0x1p-25f, 0x0000},      {0x1.01p-25f, 0x0001},    {0x1.ff8p-15f, 0x03ff},   {0x1.ffcp-15f, 0x0400},
    {1.0009765625f, 0x3c01}, {1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02}, {0.333251953125f, 0x3555}};

TEST_P(BackendSuite, convert_knows_binary16) {
  for (const HalfRow& row : half_rows) {
    OwnedMatrix source = backend().matrix(DType::f32, 1, 1), half = backend().matrix(DType::f16, 1, 1);
    backend().upload({&row.value, DType::f32, 1, 1, 1}, source.view());
    ops::convert(backend(), source.view(), half.view());
    std::uint16_t bits = 0;
    backend().download(half.view(), {&bits, DType::f16, 1, 1, 1});
    EXPECT_EQ(bits, row.bits) << row.value;
    backend().upload({&row.bits, DType::f16, 1, 1, 1}, half.view());
    ops::convert(backend(), half.view(), source.view());
    float back = 0.0f;
    backend().download(source.view(), {&back, DType::f32, 1, 1, 1});
    const bool exact = row.bits != 0x7c00 && row.bits != 0xfc00;
    EXPECT_TRUE(exact ? std::abs(back - row.value) <= std::abs(row.value) * 0x1p-11f + 0x1p-25f
                      : std::isinf(back))
        << row.value << " came back as " << back;
  }
}

TEST_P(BackendSuite, convert_between_all_dtypes_keeps_strided_values) {
  const DType dtypes[] = {DType::f32, DType::bf16, DType::f16, DType::f64};
  for (const DType from : dtypes) {
    for (const DType to : dtypes) {
      Dense values(5, 21);  // eighths up to 12: exact in every dtype
      for (std::size_t i = 0; i < values.values.size(); ++i) {
        values.values[i] = static_cast<double>(i % 97) / 8.0 - 6.0;
      }
      Guarded source = put(from, values), target = make(to, 5, 21);
      ops::convert(backend(), source, target);
      EXPECT_EQ(target.get().values, values.values) << name(from) << " to " << name(to);
    }
  }
}

TEST_P(BackendSuite, memory_is_aligned_and_zeros_are_zero) {
  for (const std::int64_t cols : {1, 63, 4096}) {
    OwnedMatrix zeros = backend().zeros(DType::f32, 3, cols);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(zeros.view().data) % 64, 0u);
    std::vector<float> host(static_cast<std::size_t>(3 * cols), 1.0f);
    backend().download(zeros.view(), {host.data(), DType::f32, 3, cols, cols});
    EXPECT_THAT(host, testing::Each(0.0f));
  }
  EXPECT_TRUE(backend().matrix(DType::f32, 0, 5).view().empty());
}

TEST_P(BackendSuite, memory_that_does_not_exist_is_refused) {
  expect_error(ErrorCode::does_not_fit,
               [&] { backend().matrix(DType::f64, std::int64_t{1} << 40, 1 << 12); });
  expect_error(ErrorCode::invalid_argument, [&] { backend().matrix(DType::f64, -1, 4); });
}

TEST_P(BackendSuite, upload_and_download_refuse_other_shapes_and_dtypes) {
  std::vector<float> host(6);
  OwnedMatrix device = backend().zeros(DType::f32, 2, 3), half = backend().zeros(DType::bf16, 2, 3);
  const Matrix view{host.data(), DType::f32, 3, 2, 2}, fitting{host.data(), DType::f32, 2, 3, 3};
  expect_error(ErrorCode::shape_mismatch, [&] { backend().upload(view, device.view()); });
  expect_error(ErrorCode::shape_mismatch, [&] { backend().download(device.view(), view); });
  expect_error(ErrorCode::unsupported, [&] { backend().upload(fitting, half.view()); });
  expect_error(ErrorCode::unsupported, [&] { backend().download(half.view(), fitting); });
}

TEST_P(BackendSuite, sums_repeat_to_the_bit) {
  Dense x = wave_matrix(1500, 149, 1), weight = wave_matrix(1, 1500, 2), zero(1, 149), nothing(1, 1);
  Guarded device = put(DType::bf16, x), device_weight = put(DType::f32, weight);
  std::vector<double> sums[2], products[2];
  for (int run = 0; run < 2; ++run) {
    Guarded out = put(DType::f32, zero), product = put(DType::f64, nothing);
    ops::column_sums(backend(), device, device_weight, out);
    ops::add_inner_product(backend(), device, device, product);
    sums[run] = out.get().values;
    products[run] = product.get().values;
  }
  EXPECT_EQ(sums[0], sums[1]);
  EXPECT_EQ(products[0], products[1]);
}

struct AddRow {
  DType source, target;
  double tolerance;
};
inline constexpr AddRow add_rows[] = {{DType::f32, DType::f32, 1e-7},
                                      {DType::bf16, DType::f32, 1e-7},
                                      {DType::f32, DType::f64, 1e-15},
                                      {DType::bf16, DType::f64, 1e-15},
                                      {DType::f64, DType::f64, 1e-15}};

TEST_P(BackendSuite, add) {
  for (const AddRow& row : add_rows) {
    SCOPED_TRACE(std::string(name(row.source)) + " to " + std::string(name(row.target)));
    Dense source = wave_matrix(7, 37, 1), target = wave_matrix(7, 37, 2);
    Guarded device_source = put(row.source, source), device_target = put(row.target, target);
    ops::add(backend(), device_source, device_target, -0.75);
    for (std::size_t i = 0; i < target.values.size(); ++i) {
      target.values[i] -= 0.75 * source.values[i];
    }
    EXPECT_LE(scaled_error(device_target.get(), target), row.tolerance);
  }
  Guarded half = make(DType::bf16, 2, 2), single = make(DType::f32, 2, 3), wide = make(DType::f64, 2, 3);
  expect_error(ErrorCode::unsupported, [&] { ops::add(backend(), single, half, 1.0); });
  expect_error(ErrorCode::unsupported, [&] { ops::add(backend(), wide, single, 1.0); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::add(backend(), half, single, 1.0); });
}

TEST_P(BackendSuite, add_bias_and_scale_rows) {
  for (const Precision& x_row : activation_precisions) {
    Dense x = wave_matrix(9, 21, 1), bias = wave_matrix(1, 21, 2), scale = wave_matrix(1, 9, 3);
    Guarded device = put(x_row.dtype, x), device_bias = put(DType::f32, bias),
            factors = put(DType::f32, scale);
    Dense sum = x;
    for (std::int64_t i = 0; i < 9; ++i) {
      for (std::int64_t j = 0; j < 21; ++j) {
        sum(i, j) += bias(0, j);
      }
    }
    for (const Precision& out_row : activation_precisions) {
      Guarded target = make(out_row.dtype, 9, 21);
      ops::scale_rows(backend(), device, factors, target);
      Dense expected = x;
      for (std::int64_t i = 0; i < 9; ++i) {
        for (std::int64_t j = 0; j < 21; ++j) {
          expected(i, j) *= scale(0, i);
        }
      }
      EXPECT_LE(scaled_error(target.get(), expected), out_row.tolerance);
    }
    ops::add_bias(backend(), device_bias, device);
    EXPECT_LE(scaled_error(device.get(), sum), x_row.tolerance);
    expect_error(ErrorCode::shape_mismatch, [&] { ops::add_bias(backend(), factors, device); });
    expect_error(ErrorCode::shape_mismatch, [&] { ops::scale_rows(backend(), device, device_bias, device); });
  }
}

TEST_P(BackendSuite, row_squared_norms_and_column_sums) {
  for (const Precision& row : activation_precisions) {
    for (const std::int64_t rows : {1, 5, 200}) {
      for (const std::int64_t cols : {1, 16, 149}) {
        Dense x = wave_matrix(rows, cols, 1), weight = wave_matrix(1, rows, 2),
              sums = wave_matrix(1, cols, 3);
        Guarded device = put(row.dtype, x), device_weight = put(DType::f32, weight);
        Guarded plain_sums = put(DType::f32, sums), weighted_sums = put(DType::f32, sums);
        Guarded norms = make(DType::f32, 1, rows);
        Dense expected_norms(1, rows), expected = sums, expected_weighted = sums;
        for (std::int64_t i = 0; i < rows; ++i) {
          for (std::int64_t j = 0; j < cols; ++j) {
            expected_norms(0, i) += x(i, j) * x(i, j);
            expected(0, j) += x(i, j);
            expected_weighted(0, j) += weight(0, i) * x(i, j);
          }
        }
        ops::row_squared_norms(backend(), device, norms);
        ops::column_sums(backend(), device, {}, plain_sums);
        ops::column_sums(backend(), device, device_weight, weighted_sums);
        EXPECT_LE(scaled_error(norms.get(), expected_norms), 2e-6);
        EXPECT_LE(scaled_error(plain_sums.get(), expected), 4e-6);
        EXPECT_LE(scaled_error(weighted_sums.get(), expected_weighted), 4e-6);
      }
    }
  }
  Guarded x = make(DType::f32, 3, 4), wrong = make(DType::f32, 1, 5), fitting = make(DType::f32, 1, 4);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::column_sums(backend(), x, {}, wrong); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::column_sums(backend(), x, wrong, fitting); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::row_squared_norms(backend(), x, fitting); });
}

}  // namespace cce::backend_suite
