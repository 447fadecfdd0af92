#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {

void CpuBackend::embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) {
  check_embed(ids, table, out);
  in_parallel(out.rows, out.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.convert(row_of(table, ids[static_cast<std::size_t>(i)]), table.dtype, row_of(out, i),
                       DType::f32, out.cols);
    }
  });
}

void CpuBackend::rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  check_rms_norm(x, gain, out);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.rms_norm(x.as<float>() + i * x.stride, gain.as<float>(), epsilon, row_of(out, i), out.dtype,
                        x.cols);
    }
  });
}

void CpuBackend::rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                   Matrix d_x) {
  check_rms_norm_backward(d_out, x, gain, d_x);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.rms_norm_backward(d_out.as<float>() + i * d_out.stride, x.as<float>() + i * x.stride,
                                 gain.as<float>(), epsilon, d_x.as<float>() + i * d_x.stride, x.cols);
    }
  });
}

void CpuBackend::rope(Matrix x, const RopeTable& table, std::int64_t kv_groups, std::int64_t heads_per_group,
                      std::int64_t length, std::int64_t first_position, bool inverse) {
  check_rope(x, table, kv_groups, heads_per_group, length, first_position);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t position = first_position + i % length;
      kernels_.rope(row_of(x, i), x.dtype, table.cos.as<float>() + position * table.cos.stride,
                    table.sin.as<float>() + position * table.sin.stride, kv_groups, heads_per_group,
                    table.cos.cols / kv_groups, inverse ? -1.0f : 1.0f);
    }
  });
}

void CpuBackend::swiglu(ConstMatrix gate, ConstMatrix up, Matrix out) {
  check_swiglu(gate, up, out);
  in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.swiglu(row_of(gate, i), gate.dtype, row_of(up, i), up.dtype, row_of(out, i), out.dtype,
                      gate.cols);
    }
  });
}

void CpuBackend::swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                                 Matrix d_up) {
  check_swiglu_backward(d_out, gate, up, d_gate, d_up);
  in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.swiglu_backward(row_of(d_out, i), d_out.dtype, row_of(gate, i), gate.dtype, row_of(up, i),
                               up.dtype, row_of(d_gate, i), d_gate.dtype, row_of(d_up, i), d_up.dtype,
                               gate.cols);
    }
  });
}

}  // namespace cce
