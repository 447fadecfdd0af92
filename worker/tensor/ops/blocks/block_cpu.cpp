#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/blocks/block_ops.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {

void embed(CpuBackend& cpu, std::span<const std::int32_t> ids, ConstMatrix table, float scale, Matrix out) {
  cpu.in_parallel(out.rows, out.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().rows.scale(row_of(table, ids[static_cast<std::size_t>(i)]), table.dtype, scale,
                               row_of(out, i), DType::f32, out.cols);
    }
  });
}

void rms_norm(CpuBackend& cpu, ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().blocks.rms_norm(x.as<float>() + i * x.stride, gain.as<float>(), epsilon, row_of(out, i),
                                    out.dtype, x.cols);
    }
  });
}

void rms_norm_backward(CpuBackend& cpu, ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                       Matrix d_x) {
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().blocks.rms_norm_backward(d_out.as<float>() + i * d_out.stride,
                                             x.as<float>() + i * x.stride, gain.as<float>(), epsilon,
                                             d_x.as<float>() + i * d_x.stride, x.cols);
    }
  });
}

void rope(CpuBackend& cpu, Matrix x, const RopeTable& table, std::int64_t kv_groups,
          std::int64_t heads_per_group, std::int64_t length, std::int64_t first_position, bool inverse) {
  cpu.in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t position = first_position + i % length;
      cpu.kernels().blocks.rope(row_of(x, i), x.dtype, table.cos.as<float>() + position * table.cos.stride,
                                table.sin.as<float>() + position * table.sin.stride, kv_groups,
                                heads_per_group, table.cos.cols / kv_groups, inverse ? -1.0f : 1.0f);
    }
  });
}

void gated_units(CpuBackend& cpu, Activation activation, ConstMatrix gate, ConstMatrix up, Matrix out) {
  cpu.in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().blocks.gated_units(activation, row_of(gate, i), gate.dtype, row_of(up, i), up.dtype,
                                       row_of(out, i), out.dtype, gate.cols);
    }
  });
}

void gated_units_backward(CpuBackend& cpu, Activation activation, ConstMatrix d_out, ConstMatrix gate,
                          ConstMatrix up, Matrix d_gate, Matrix d_up) {
  cpu.in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      cpu.kernels().blocks.gated_units_backward(activation, row_of(d_out, i), d_out.dtype, row_of(gate, i),
                                                gate.dtype, row_of(up, i), up.dtype, row_of(d_gate, i),
                                                d_gate.dtype, row_of(d_up, i), d_up.dtype, gate.cols);
    }
  });
}

}  // namespace cpu_ops

const BlockOps& cpu_block_ops() {
  static constexpr BlockOps table{
      .embed = OpEntry<CpuBackend, cpu_ops::embed>::call,
      .rms_norm = OpEntry<CpuBackend, cpu_ops::rms_norm>::call,
      .rms_norm_backward = OpEntry<CpuBackend, cpu_ops::rms_norm_backward>::call,
      .rope = OpEntry<CpuBackend, cpu_ops::rope>::call,
      .gated_units = OpEntry<CpuBackend, cpu_ops::gated_units>::call,
      .gated_units_backward = OpEntry<CpuBackend, cpu_ops::gated_units_backward>::call};
  return table;
}

}  // namespace cce
