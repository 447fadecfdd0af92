#pragma once
#include <cstdint>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// How a backend computes on rows and elements; the functions below check the operands.
struct RowOps {
  void (*convert)(Backend& backend, ConstMatrix source, Matrix target);
  void (*add)(Backend& backend, ConstMatrix source, Matrix target, double alpha);
  void (*add_bias)(Backend& backend, ConstMatrix bias, Matrix x);
  void (*scale_rows)(Backend& backend, ConstMatrix source, ConstMatrix scale, Matrix target);
  void (*row_squared_norms)(Backend& backend, ConstMatrix x, Matrix out);
  void (*column_sums)(Backend& backend, ConstMatrix x, ConstMatrix weight, Matrix out);
};

template <template <auto> class Wrap>
constexpr RowOps wrapped_row_ops() {
  return {.convert = Wrap<&RowOps::convert>::call,
          .add = Wrap<&RowOps::add>::call,
          .add_bias = Wrap<&RowOps::add_bias>::call,
          .scale_rows = Wrap<&RowOps::scale_rows>::call,
          .row_squared_norms = Wrap<&RowOps::row_squared_norms>::call,
          .column_sums = Wrap<&RowOps::column_sums>::call};
}
const RowOps& cpu_row_ops();
const RowOps& cuda_row_ops();

namespace ops {

/// target ← source, rounded where the target's dtype is narrower; f32, bf16, f16 or f64, one shape.
inline void convert(Backend& backend, ConstMatrix source, Matrix target) {
  check_shape("convert", "target", target, source.rows, source.cols);
  check_shape("convert", "source", source, source.rows, source.cols);
  backend.ops().rows->convert(backend, source, target);
}

/// target ← target + α source; target f32 or f64, source any or of target's dtype.
inline void add(Backend& backend, ConstMatrix source, Matrix target, double alpha = 1.0) {
  check_dtype("add", "target", target, {DType::f32, DType::f64});
  check_dtype("add", "source", source, {DType::f32, DType::bf16, target.dtype});
  check_shape("add", "source", source, target.rows, target.cols);
  check_shape("add", "target", target, target.rows, target.cols);
  backend.ops().rows->add(backend, source, target, alpha);
}

/// x ← x + 1 biasᵀ; bias f32 1 × n, x any.
inline void add_bias(Backend& backend, ConstMatrix bias, Matrix x) {
  check_single("add_bias", "bias", bias, 1, x.cols);
  check_activations("add_bias", {{"x", x}}, x.rows, x.cols);
  backend.ops().rows->add_bias(backend, bias, x);
}

/// target_ij ← scale_i source_ij; scale f32, 1 × rows; source, target any. Or all three f64.
inline void scale_rows(Backend& backend, ConstMatrix source, ConstMatrix scale, Matrix target) {
  const DType scale_dtype = target.dtype == DType::f64 ? DType::f64 : DType::f32;
  check_dtype("scale_rows", "target", target, {DType::f32, DType::bf16, DType::f64});
  if (target.dtype == DType::f64) {
    check_dtype("scale_rows", "source", source, {DType::f64});
  } else {
    check_activation("scale_rows", "source", source);
  }
  check_dtype("scale_rows", "scale", scale, {scale_dtype});
  check_shape("scale_rows", "source", source, target.rows, target.cols);
  check_shape("scale_rows", "target", target, target.rows, target.cols);
  check_shape("scale_rows", "scale", scale, 1, target.rows);
  backend.ops().rows->scale_rows(backend, source, scale, target);
}

/// out_i ← Σ_j x_ij²; x any, out f32 1 × rows. Or both f64.
inline void row_squared_norms(Backend& backend, ConstMatrix x, Matrix out) {
  check_dtype("row_squared_norms", "x", x, {DType::f32, DType::bf16, DType::f64});
  check_dtype("row_squared_norms", "out", out, {x.dtype == DType::f64 ? DType::f64 : DType::f32});
  check_shape("row_squared_norms", "x", x, x.rows, x.cols);
  check_shape("row_squared_norms", "out", out, 1, x.rows);
  backend.ops().rows->row_squared_norms(backend, x, out);
}

/// out_j ← out_j + Σ_i weight_i x_ij (weight empty: 1); x any, weight f32 1 × rows, out f32 1 × cols.
inline void column_sums(Backend& backend, ConstMatrix x, ConstMatrix weight, Matrix out) {
  check_activations("column_sums", {{"x", x}}, x.rows, x.cols);
  check_single("column_sums", "out", out, 1, x.cols);
  if (!weight.empty()) {
    check_single("column_sums", "weight", weight, 1, x.rows);
  }
  backend.ops().rows->column_sums(backend, x, weight, out);
}

}  // namespace ops

}  // namespace cce
