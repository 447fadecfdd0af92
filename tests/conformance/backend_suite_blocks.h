#pragma once
#include "tests/conformance/backend_case.h"
#include "worker/tensor/ops.h"

namespace cce::backend_suite {

inline double inner_product(const Dense& a, const Dense& b) {
  double total = 0.0;
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    total += a.values[i] * b.values[i];
  }
  return total;
}

TEST_P(BackendSuite, embed_scales_rows) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    Dense table = wave_matrix(11, 21, 1);
    Guarded device = put(dtype, table), out = make(DType::f32, 4, 21);
    const std::int32_t ids[] = {10, 0, 3, 3};
    ops::embed(backend(), ids, device, 3.0f, out);
    const Dense found = out.get();
    for (std::int64_t i = 0; i < 4; ++i) {
      for (std::int64_t j = 0; j < 21; ++j) {
        EXPECT_EQ(found(i, j), static_cast<double>(3.0f * static_cast<float>(table(ids[i], j))));
      }
    }
    for (const std::int32_t bad : {-1, 11}) {
      const std::int32_t bad_ids[] = {0, 1, bad, 2};
      expect_error(ErrorCode::out_of_range, [&] { ops::embed(backend(), bad_ids, device, 1.0f, out); });
    }
    expect_error(ErrorCode::shape_mismatch,
                 [&] { ops::embed(backend(), std::span(ids).first(3), device, 1.0f, out); });
  }
}

TEST_P(BackendSuite, rms_norm) {
  for (const Precision& row : activation_precisions) {
    for (const std::int64_t cols : {1, 16, 37, 576}) {
      Dense x = wave_matrix(5, cols, 1, 3.0), gain = wave_matrix(1, cols, 2);
      Guarded device = put(DType::f32, x), device_gain = put(DType::f32, gain),
              out = make(row.dtype, 5, cols);
      ops::rms_norm(backend(), device, device_gain, 1e-5, out);
      EXPECT_LE(scaled_error(out.get(), reference::rms_norm(x, gain, 1e-5)), row.tolerance) << cols;
    }
  }
  Guarded x = make(DType::f32, 3, 4), gain = make(DType::f32, 1, 5), half = make(DType::bf16, 3, 4);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::rms_norm(backend(), x, gain, 1e-5, x); });
  expect_error(ErrorCode::unsupported, [&] { ops::rms_norm(backend(), half, gain, 1e-5, x); });
}

TEST_P(BackendSuite, rms_norm_backward_adds_the_finite_difference) {
  for (const double epsilon : {1e-5, 0.3}) {
    Dense x = wave_matrix(4, 19, 1, 0.5), gain = wave_matrix(1, 19, 2), d_out = wave_matrix(4, 19, 3);
    Dense d_x = wave_matrix(4, 19, 4);
    Guarded device = put(DType::f32, x), device_gain = put(DType::f32, gain);
    Guarded device_d_out = put(DType::f32, d_out), device_d_x = put(DType::f32, d_x);
    ops::rms_norm_backward(backend(), device_d_out, device, device_gain, epsilon, device_d_x);
    Dense expected = reference::finite_difference(
        x, [&](const Dense& at) { return inner_product(reference::rms_norm(at, gain, epsilon), d_out); });
    for (std::size_t i = 0; i < expected.values.size(); ++i) {
      expected.values[i] += d_x.values[i];
    }
    EXPECT_LE(scaled_error(device_d_x.get(), expected), 2e-6);
  }
}

/// Tokens of `length`-row sequences; groups of heads of `pairs` pairs.
struct RopeRow {
  const char* name;
  std::int64_t tokens, length, first_position, groups, heads, pairs;
};
inline constexpr RopeRow rope_rows[] = {{"two_sequences", 10, 5, 0, 2, 3, 4},
                                        {"decoding", 1, 1, 7, 3, 3, 32},
                                        {"odd_pairs", 6, 6, 2, 1, 2, 19},
                                        {"one_pair", 3, 3, 0, 2, 1, 1}};

TEST_P(BackendSuite, rope_turns_pairs_by_position_and_back) {
  for (const RopeRow& row : rope_rows) {
    SCOPED_TRACE(row.name);
    const std::int64_t columns = row.groups * row.pairs;
    Dense cosine(row.first_position + row.length, columns), sine = cosine;
    for (std::int64_t position = 0; position < cosine.rows; ++position) {
      for (std::int64_t j = 0; j < columns; ++j) {
        cosine(position, j) = std::cos(static_cast<double>(position * (j + 1)) * 0.37);
        sine(position, j) = std::sin(static_cast<double>(position * (j + 1)) * 0.37);
      }
    }
    for (const Precision& precision : activation_precisions) {
      Dense x = wave_matrix(row.tokens, columns * row.heads * 2, 1);
      Guarded device = put(precision.dtype, x), cos = put(DType::f32, cosine), sin = put(DType::f32, sine);
      ops::rope(backend(), device, {cos, sin}, row.groups, row.heads, row.length, row.first_position, false);
      Dense expected = x;
      for (std::int64_t t = 0; t < row.tokens; ++t) {
        for (std::int64_t head = 0; head < row.groups * row.heads; ++head) {
          for (std::int64_t j = 0; j < row.pairs; ++j) {
            const std::int64_t position = row.first_position + t % row.length;
            const std::int64_t at = head * 2 * row.pairs + j, angle = head / row.heads * row.pairs + j;
            const double c = cosine(position, angle), s = sine(position, angle);
            expected(t, at) = x(t, at) * c - x(t, at + row.pairs) * s;
            expected(t, at + row.pairs) = x(t, at + row.pairs) * c + x(t, at) * s;
          }
        }
      }
      EXPECT_LE(scaled_error(device.get(), expected), precision.tolerance);
      ops::rope(backend(), device, {cos, sin}, row.groups, row.heads, row.length, row.first_position, true);
      EXPECT_LE(scaled_error(device.get(), x), 2 * precision.tolerance);
    }
  }
}

TEST_P(BackendSuite, rope_refuses_bad_arguments) {
  Guarded x = make(DType::f32, 4, 24), cos = make(DType::f32, 4, 6), sin = make(DType::f32, 4, 6);
  Guarded short_sin = make(DType::f32, 3, 6), half = make(DType::bf16, 4, 6);
  EXPECT_NO_THROW(ops::rope(backend(), x, {cos, sin}, 2, 2, 4, 0, false));
  expect_error(ErrorCode::shape_mismatch, [&] { ops::rope(backend(), x, {cos, sin}, 2, 3, 4, 0, false); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::rope(backend(), x, {cos, sin}, 4, 2, 4, 0, false); });
  expect_error(ErrorCode::shape_mismatch, [&] { ops::rope(backend(), x, {cos, sin}, 2, 2, 4, 1, false); });
  expect_error(ErrorCode::shape_mismatch, [&] {
    ops::rope(backend(), x, {cos, short_sin}, 2, 2, 4, 0, false);
  });
  expect_error(ErrorCode::unsupported, [&] { ops::rope(backend(), x, {cos, half}, 2, 2, 4, 0, false); });
}

constexpr Activation activations[] = {Activation::silu, Activation::gelu_tanh};

inline Dense gated_units(Activation activation, const Dense& gate, const Dense& up) {
  Dense result = gate;
  for (std::size_t i = 0; i < gate.values.size(); ++i) {
    result.values[i] = reference::activated(activation, gate.values[i]) * up.values[i];
  }
  return result;
}

TEST_P(BackendSuite, gated_units_in_all_dtypes) {
  for (const Activation activation : activations) {
    for (const DType gate_dtype : {DType::f32, DType::bf16}) {
      for (const DType up_dtype : {DType::f32, DType::bf16}) {
        for (const Precision& row : activation_precisions) {
          Dense gate = wave_matrix(5, 37, 1, 6.0), up = wave_matrix(5, 37, 2);
          Guarded device_gate = put(gate_dtype, gate), device_up = put(up_dtype, up);
          Guarded out = make(row.dtype, 5, 37);
          ops::gated_units(backend(), activation, device_gate, device_up, out);
          EXPECT_LE(scaled_error(out.get(), gated_units(activation, gate, up)), row.tolerance);
        }
      }
    }
  }
  Guarded a = make(DType::f32, 2, 3), b = make(DType::f32, 3, 2), wide = make(DType::f64, 2, 3);
  expect_error(ErrorCode::shape_mismatch, [&] { ops::gated_units(backend(), Activation::silu, a, b, a); });
  expect_error(ErrorCode::unsupported, [&] { ops::gated_units(backend(), Activation::silu, a, wide, a); });
}

TEST_P(BackendSuite, gated_units_of_extreme_gates_are_finite) {
  Dense gate(1, 6), up(1, 6);
  gate.values = {-1e4, -100.0, -88.0, 88.0, 100.0, 1e4};
  std::fill(up.values.begin(), up.values.end(), 1.0);
  Guarded device_gate = put(DType::f32, gate), device_up = put(DType::f32, up), out = make(DType::f32, 1, 6);
  for (const Activation activation : activations) {
    ops::gated_units(backend(), activation, device_gate, device_up, out);
    EXPECT_LE(scaled_error(out.get(), gated_units(activation, gate, up)), 1e-6);
  }
}

TEST_P(BackendSuite, gated_units_backward_is_the_finite_difference) {
  for (const Activation activation : activations) {
    for (const Precision& row : activation_precisions) {
      Dense gate = wave_matrix(3, 21, 1, 4.0), up = wave_matrix(3, 21, 2), d_out = wave_matrix(3, 21, 3);
      Guarded device_gate = put(row.dtype, gate), device_up = put(row.dtype, up);
      Guarded device_d_out = put(DType::f32, d_out);
      Guarded d_gate = make(row.dtype, 3, 21), d_up = make(row.dtype, 3, 21);
      ops::gated_units_backward(backend(), activation, device_d_out, device_gate, device_up, d_gate, d_up);
      const Dense of_gate = reference::finite_difference(
          gate, [&](const Dense& at) { return inner_product(gated_units(activation, at, up), d_out); });
      const Dense of_up = reference::finite_difference(
          up, [&](const Dense& at) { return inner_product(gated_units(activation, gate, at), d_out); });
      EXPECT_LE(scaled_error(d_gate.get(), of_gate), row.tolerance);
      EXPECT_LE(scaled_error(d_up.get(), of_up), row.tolerance);
    }
  }
}

}  // namespace cce::backend_suite
