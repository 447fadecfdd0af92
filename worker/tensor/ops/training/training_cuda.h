#pragma once
#include "worker/tensor/ops/rows/row_cuda.h"
#include "worker/tensor/ops/training/training_kernels.cuh"
#include "worker/tensor/ops/training/training_ops.h"

/// What training adds, as training_ops.h defines it.
namespace cce::cuda_kernels {

template <typename Device>
void add_inner_product(Backend& backend, ConstMatrix a, ConstMatrix b, Matrix sum) {
  const Device device(backend, "add_inner_product");
  if (a.empty()) {
    return;
  }
  constexpr std::int64_t most_rows_of_blocks = 512;
  const std::int64_t threads = row_threads(a.cols), across = divide_up(a.cols, 4 * threads);
  const std::int64_t down = std::min(a.rows, most_rows_of_blocks);
  const Scratch<double> partial(device.backend(), across * down);
  device.launch({extent(across, down), extent(threads), reduction_bytes}, inner_product_part<>, a, b,
                partial.data());
  device.launch({extent(1), extent(block_threads), reduction_bytes}, add_partial_sums<>, partial.data(),
                across * down, sum.as<double>());
}

template <typename Device>
void rms_norm_gain_gradient(Backend& backend, ConstMatrix d_out, ConstMatrix x, double epsilon,
                            Matrix d_gain) {
  const Device device(backend, "rms_norm_gain_gradient");
  if (x.empty()) {
    return;
  }
  const Scratch<float> inverse_rms(device.backend(), x.rows);
  device.launch(rows_shape(x.rows, x.cols), inverse_rms_of_rows<>, x, epsilon, inverse_rms.data());
  add_column_sums(device, x, d_out, inverse_rms.data(), d_gain);
}

template <typename Device>
void relative_error(Backend& backend, ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                    Matrix gradient) {
  const Device device(backend, "relative_error");
  if (x.rows > 0) {
    device.launch(rows_shape(x.rows, x.cols), relative_error_of_rows<>, x, target,
                  static_cast<float>(2.0 * scale), losses.as<float>(), gradient);
  }
}

template <typename Device>
void adamw(Backend& backend, const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m, Matrix v,
           Matrix copy) {
  const Device device(backend, "adamw");
  if (!weights.empty()) {
    device.launch(quads_shape(weights.rows, weights.cols), adamw_elements<>, adamw_factors(step), gradient,
                  weights, m, v, copy);
  }
}

template <typename Device>
constexpr TrainingOps training_ops() {
  return {.add_inner_product = add_inner_product<Device>,
          .rms_norm_gain_gradient = rms_norm_gain_gradient<Device>,
          .relative_error = relative_error<Device>,
          .adamw = adamw<Device>};
}

}  // namespace cce::cuda_kernels
