#pragma once
#include "worker/tensor/cuda/kernels/launch_shape.h"
#include "worker/tensor/ops/blocks/block_kernels.cuh"
#include "worker/tensor/ops/blocks/block_ops.h"

/// What a decoder layer computes beside products and attention, as block_ops.h defines it.
namespace cce::cuda_kernels {

template <typename Device>
void embed(Backend& backend, std::span<const std::int32_t> ids, ConstMatrix table, float scale, Matrix out) {
  const Device device(backend, "embed");
  if (out.empty()) {
    return;
  }
  const Scratch<std::int32_t> device_ids(device.backend(), out.rows);
  copy_to_device(device.backend(), ids.data(), device_ids.data(), out.rows);
  device.launch(quads_shape(out.rows, out.cols), embed_rows<>, device_ids.data(), table, scale, out);
}

template <typename Device>
void rms_norm(Backend& backend, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  const Device device(backend, "rms_norm");
  if (!x.empty()) {
    device.launch(rows_shape(x.rows, x.cols), rms_norm_rows<>, x, gain, epsilon, out);
  }
}

template <typename Device>
void rms_norm_backward(Backend& backend, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                       Matrix d_x) {
  const Device device(backend, "rms_norm_backward");
  if (!x.empty()) {
    device.launch(rows_shape(x.rows, x.cols), rms_norm_backward_rows<>, d_out, x, gain, epsilon, d_x);
  }
}

template <typename Device>
void rope(Backend& backend, Matrix x, const RopeTable& table, std::int64_t kv_groups,
          std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse) {
  const Device device(backend, "rope");
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
void gated_units(Backend& backend, Activation activation, ConstMatrix gate, ConstMatrix up, Matrix out) {
  const Device device(backend, "gated_units");
  if (!out.empty()) {
    with_gate(activation, [&]<typename Gate>(Gate*) {
      device.launch(quads_shape(out.rows, out.cols), gated_units_elements<Gate>, gate, up, out);
    });
  }
}

template <typename Device>
void gated_units_backward(Backend& backend, Activation activation, ConstMatrix d_out, ConstMatrix gate,
                          ConstMatrix up, Matrix d_gate, Matrix d_up) {
  const Device device(backend, "gated_units_backward");
  if (!gate.empty()) {
    with_gate(activation, [&]<typename Gate>(Gate*) {
      device.launch(quads_shape(gate.rows, gate.cols), gated_units_backward_elements<Gate>, d_out, gate, up,
                    d_gate, d_up);
    });
  }
}

template <typename Device>
constexpr BlockOps block_ops() {
  return {.embed = embed<Device>,
          .rms_norm = rms_norm<Device>,
          .rms_norm_backward = rms_norm_backward<Device>,
          .rope = rope<Device>,
          .gated_units = gated_units<Device>,
          .gated_units_backward = gated_units_backward<Device>};
}

}  // namespace cce::cuda_kernels
