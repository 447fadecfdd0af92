#pragma once
#include "worker/tensor/kernels_cuda/blocks.cuh"
#include "worker/tensor/kernels_cuda/launch_shape.h"
#include "worker/tensor/shape_checks.h"

/// The blocks of a decoder but attention, as Backend promises them.
namespace cce::cuda_kernels {

template <typename Device>
void embed(const Device& device, std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) {
  check_embed(ids, table, out);
  if (out.empty()) {
    return;
  }
  const Scratch<std::int32_t> device_ids(device.backend(), out.rows);
  copy_to_device(device.backend(), ids.data(), device_ids.data(), out.rows);
  device.launch(quads_shape(out.rows, out.cols), embed_rows<>, device_ids.data(), table, out);
}

template <typename Device>
void rms_norm(const Device& device, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  check_rms_norm(x, gain, out);
  if (!x.empty()) {
    device.launch(rows_shape(x.rows, x.cols), rms_norm_rows<>, x, gain, epsilon, out);
  }
}

template <typename Device>
void rms_norm_backward(const Device& device, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain,
                       double epsilon, Matrix d_x) {
  check_rms_norm_backward(d_out, x, gain, d_x);
  if (!x.empty()) {
    device.launch(rows_shape(x.rows, x.cols), rms_norm_backward_rows<>, d_out, x, gain, epsilon, d_x);
  }
}

template <typename Device>
void rope(const Device& device, Matrix x, const RopeTable& table, std::int64_t kv_groups,
          std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse) {
  check_rope(x, table, kv_groups, heads_per_group, length, first_position);
  if (x.empty()) {
    return;
  }
  const RopeArguments arguments{.x = x,
                                .cos = table.cos,
                                .sin = table.sin,
                                .heads_per_group = heads_per_group,
                                .pairs = table.cos.cols / kv_groups,
                                .length = length,
                                .first_position = first_position,
                                .direction = inverse ? -1.0f : 1.0f};
  with_activation_type(x.dtype, [&]<typename T>(T*) {
    device.launch(elements_shape(x.rows, x.cols / 2), rope_pairs<T>, arguments);
  });
}

template <typename Device>
void swiglu(const Device& device, ConstMatrix gate, ConstMatrix up, Matrix out) {
  check_swiglu(gate, up, out);
  if (!out.empty()) {
    device.launch(quads_shape(out.rows, out.cols), swiglu_elements<>, gate, up, out);
  }
}

template <typename Device>
void swiglu_backward(const Device& device, ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                     Matrix d_up) {
  check_swiglu_backward(d_out, gate, up, d_gate, d_up);
  if (!gate.empty()) {
    device.launch(quads_shape(gate.rows, gate.cols), swiglu_backward_elements<>, d_out, gate, up, d_gate,
                  d_up);
  }
}

}  // namespace cce::cuda_kernels
