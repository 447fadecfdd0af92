#pragma once
#include <cmath>

#include "worker/tensor/kernels_cuda/launch_rows.h"
#include "worker/tensor/kernels_cuda/training.cuh"

/// What training adds, as Backend promises it.
namespace cce::cuda_kernels {

template <typename Device>
void add_inner_product(const Device& device, ConstMatrix a, ConstMatrix b, Matrix sum) {
  check_inner_product(a, b, sum);
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
void rms_norm_gain_gradient(const Device& device, ConstMatrix d_out, ConstMatrix x, double epsilon,
                            Matrix d_gain) {
  check_gain_gradient(d_out, x, d_gain);
  if (x.empty()) {
    return;
  }
  const Scratch<float> inverse_rms(device.backend(), x.rows);
  device.launch(rows_shape(x.rows, x.cols), inverse_rms_of_rows<>, x, epsilon, inverse_rms.data());
  add_column_sums(device, x, d_out, inverse_rms.data(), d_gain);
}

template <typename Device>
void relative_error(const Device& device, ConstMatrix x, ConstMatrix target, double scale, Matrix losses,
                    Matrix gradient) {
  check_relative_error(x, target, losses, gradient);
  if (x.rows > 0) {
    device.launch(rows_shape(x.rows, x.cols), relative_error_of_rows<>, x, target,
                  static_cast<float>(2.0 * scale), losses.as<float>(), gradient);
  }
}

inline AdamWNumbers adamw_numbers(const AdamWStep& step) {
  const auto t = static_cast<double>(step.step);
  return {.gradient_scale = static_cast<float>(step.gradient_scale),
          .beta1 = static_cast<float>(step.beta1),
          .rest1 = static_cast<float>(1.0 - step.beta1),
          .beta2 = static_cast<float>(step.beta2),
          .rest2 = static_cast<float>(1.0 - step.beta2),
          .kept = static_cast<float>(1.0 - step.learning_rate * step.weight_decay),
          .rate = static_cast<float>(step.learning_rate / (1.0 - std::pow(step.beta1, t))),
          .inverse_root = static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(step.beta2, t))),
          .epsilon = static_cast<float>(step.epsilon)};
}

template <typename Device>
void adamw(const Device& device, const AdamWStep& step, ConstMatrix gradient, Matrix weights, Matrix m,
           Matrix v, Matrix copy) {
  check_adamw(step, gradient, weights, m, v, copy);
  if (!weights.empty()) {
    device.launch(quads_shape(weights.rows, weights.cols), adamw_elements<>, adamw_numbers(step), gradient,
                  weights, m, v, copy);
  }
}

}  // namespace cce::cuda_kernels
