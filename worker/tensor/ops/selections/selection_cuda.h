#pragma once
#include <span>

#include "worker/tensor/cuda/kernels/launch_shape.h"
#include "worker/tensor/ops/selections/selection_kernels.cuh"
#include "worker/tensor/ops/selections/selection_ops.h"

/// Selections, and the f64 forms of two row operations, as selection_ops.h and row_ops.h define them.
namespace cce::cuda_kernels {

/// A list of indices on the device; null where it is empty.
class DeviceList {
 public:
  DeviceList(Backend& backend, std::span<const std::int32_t> host)
      : memory_(backend, static_cast<std::int64_t>(host.size())), empty_(host.empty()) {
    if (!empty_) {
      copy_to_device(backend, host.data(), memory_.data(), static_cast<std::int64_t>(host.size()));
    }
  }
  const std::int32_t* data() const { return empty_ ? nullptr : memory_.data(); }

 private:
  Scratch<std::int32_t> memory_;
  bool empty_;
};

/// Enough blocks to fill any device.
inline KernelShape strided_shape(std::int64_t items) {
  constexpr std::int64_t enough_blocks = 8192;
  return {extent(std::min(divide_up(items, block_threads), enough_blocks)), extent(block_threads), 0};
}

template <typename Device>
void gather(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
            std::span<const std::int32_t> cols, Matrix target) {
  const Device device(backend, "gather");
  if (target.empty()) {
    return;
  }
  const DeviceList row_list(device.backend(), rows), col_list(device.backend(), cols);
  const auto run = [&]<typename T>(T) {
    device.launch(strided_shape(target.rows * target.cols), gather_elements<T>, source.as<T>(), source.stride,
                  row_list.data(), col_list.data(), target.as<T>(), target.rows, target.cols, target.stride);
  };
  source.dtype == DType::f64 ? run(double{}) : run(float{});
}

template <typename Device>
void scatter(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
             std::span<const std::int32_t> cols, Matrix target) {
  const Device device(backend, "scatter");
  if (source.empty()) {
    return;
  }
  const DeviceList row_list(device.backend(), rows), col_list(device.backend(), cols);
  const auto run = [&]<typename T>(T) {
    device.launch(strided_shape(source.rows * source.cols), scatter_elements<T>, source.as<T>(),
                  source.stride, row_list.data(), col_list.data(), target.as<T>(), source.rows, source.cols,
                  target.stride);
  };
  source.dtype == DType::f64 ? run(double{}) : run(float{});
}

/// f64, checked by the caller.
template <typename Device>
void scale_rows_of_doubles(const Device& device, ConstMatrix source, ConstMatrix scale, Matrix target) {
  device.launch(strided_shape(target.rows * target.cols), scale_wide_rows<double>, source.as<double>(),
                source.stride, scale.as<double>(), target.as<double>(), target.rows, target.cols,
                target.stride);
}

/// f64, checked by the caller.
template <typename Device>
void row_squared_norms_of_doubles(const Device& device, ConstMatrix x, Matrix out) {
  device.launch(strided_shape(x.rows * 32), sum_wide_row_squares<double>, x.as<double>(), x.rows, x.cols,
                x.stride, out.as<double>());
}

}  // namespace cce::cuda_kernels
