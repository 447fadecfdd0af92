#pragma once
#include "worker/tensor/cuda/kernels/launch_shape.h"
#include "worker/tensor/ops/rows/row_kernels.cuh"
#include "worker/tensor/ops/rows/row_ops.h"
#include "worker/tensor/ops/selections/selection_cuda.h"

/// Rows and elements, as row_ops.h defines them.
namespace cce::cuda_kernels {

template <typename Device>
void convert(Backend& backend, ConstMatrix source, Matrix target) {
  const Device device(backend, "convert");
  if (target.empty()) {
    return;
  }
  const auto is_activation = [](DType dtype) { return dtype == DType::f32 || dtype == DType::bf16; };
  const KernelShape shape = quads_shape(target.rows, target.cols);
  if (is_activation(source.dtype) && is_activation(target.dtype)) {
    device.launch(shape, convert_activations<>, source, target);
  } else {
    device.launch(shape, convert_elements<>, source, target);
  }
}

template <typename Device>
void add(Backend& backend, ConstMatrix source, Matrix target, double alpha) {
  const Device device(backend, "add");
  if (target.empty()) {
    return;
  }
  const KernelShape shape = quads_shape(target.rows, target.cols);
  if (target.dtype == DType::f64) {
    device.launch(shape, add_to_doubles<>, source, target, alpha);
  } else {
    device.launch(shape, add_activations<>, source, target, static_cast<float>(alpha));
  }
}

template <typename Device>
void add_bias(Backend& backend, ConstMatrix bias, Matrix x) {
  const Device device(backend, "add_bias");
  if (!x.empty()) {
    device.launch(quads_shape(x.rows, x.cols), add_bias_to_rows<>, bias, x);
  }
}

template <typename Device>
void scale_rows(Backend& backend, ConstMatrix source, ConstMatrix scale, Matrix target) {
  const Device device(backend, "scale_rows");
  if (target.dtype == DType::f64 && !target.empty()) {
    scale_rows_of_doubles(device, source, scale, target);
  } else if (!target.empty()) {
    device.launch(quads_shape(target.rows, target.cols), scale_each_row<>, source, scale.as<float>(), target);
  }
}

/// C ← β C, as a product without depth leaves it; C f32, bf16 or f64.
template <typename Device>
void scale(const Device& device, Matrix c, double beta) {
  if (!c.empty()) {
    device.launch(quads_shape(c.rows, c.cols), scale_elements<>, c, beta);
  }
}

template <typename Device>
void row_squared_norms(Backend& backend, ConstMatrix x, Matrix out) {
  const Device device(backend, "row_squared_norms");
  if (x.dtype == DType::f64 && x.rows > 0) {
    row_squared_norms_of_doubles(device, x, out);
  } else if (x.rows > 0) {
    device.launch(rows_shape(x.rows, x.cols), squared_norm_of_rows<>, x, out.as<float>());
  }
}

/// out_j ← out_j + Σ_i weight_i x_ij y_ij; weight null or y without data: ones. Rows in chunks, which are
/// added in order.
template <typename Device>
void add_column_sums(const Device& device, ConstMatrix x, ConstMatrix y, const float* weight, Matrix out) {
  if (x.empty()) {
    return;
  }
  constexpr std::int64_t least_rows = 128, most_chunks = 256;
  const std::int64_t rows = std::max(least_rows, divide_up(x.rows, most_chunks));
  const std::int64_t chunks = divide_up(x.rows, rows);
  const Scratch<float> partial(device.backend(), chunks * x.cols);
  const KernelShape shape{extent(divide_up(x.cols, column_lanes), chunks),
                          extent(column_lanes, column_slices), column_lanes * column_slices * sizeof(float)};
  device.launch(shape, column_sums_part<>, x, y, weight, rows, partial.data());
  device.launch(items_shape(x.cols), column_sums_finish<>, partial.data(), chunks, x.cols, out.as<float>());
}

template <typename Device>
void column_sums(Backend& backend, ConstMatrix x, ConstMatrix weight, Matrix out) {
  const Device device(backend, "column_sums");
  add_column_sums(device, x, {}, weight.empty() ? nullptr : weight.as<float>(), out);
}

/// The lower triangle of G, f32 or f64, from its upper one.
template <typename Device>
void mirror_upper(const Device& device, Matrix g) {
  constexpr std::int64_t side = 32, rows_at_once = 8;
  const std::int64_t tiles = divide_up(g.rows, side);
  const auto launch = [&]<typename T>(T* data) {
    device.launch({extent(tiles, tiles), extent(side, rows_at_once),
                   static_cast<std::size_t>(side * (side + 1)) * sizeof(T)},
                  mirror_upper_triangle<T>, data, g.rows, g.stride);
  };
  if (g.empty()) {
    return;
  }
  if (g.dtype == DType::f64) {
    launch(g.as<double>());
  } else {
    launch(g.as<float>());
  }
}

template <typename Device>
constexpr RowOps row_ops() {
  return {.convert = convert<Device>,
          .add = add<Device>,
          .add_bias = add_bias<Device>,
          .scale_rows = scale_rows<Device>,
          .row_squared_norms = row_squared_norms<Device>,
          .column_sums = column_sums<Device>};
}

}  // namespace cce::cuda_kernels
