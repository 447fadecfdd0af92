#include <string>

#include "common/error.h"
#include "worker/tensor/cpu_backend.h"
#include "worker/tensor/row_pointer.h"
#include "worker/tensor/shape_checks.h"

namespace cce {

void CpuBackend::embed(std::span<const std::int32_t> ids, ConstMatrix table, Matrix out) {
  check_activation("embed", "table", table);
  check_dtype("embed", "out", out, {DType::f32});
  check_shape("embed", "table", table, table.rows, table.cols);
  check_shape("embed", "out", out, std::ssize(ids), table.cols);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= table.rows) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "embed, ids",
                  .found = std::to_string(id),
                  .expected = "below the vocabulary of " + std::to_string(table.rows),
                  .remedy = "use the tokenizer of this model"};
    }
  }
  in_parallel(out.rows, out.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.convert(row_of(table, ids[static_cast<std::size_t>(i)]), table.dtype, row_of(out, i),
                       DType::f32, out.cols);
    }
  });
}

void CpuBackend::rms_norm(ConstMatrix x, ConstMatrix gain, double epsilon, Matrix out) {
  check_dtype("rms_norm", "x", x, {DType::f32});
  check_dtype("rms_norm", "gain", gain, {DType::f32});
  check_activation("rms_norm", "out", out);
  check_shape("rms_norm", "x", x, x.rows, x.cols);
  check_shape("rms_norm", "gain", gain, 1, x.cols);
  check_shape("rms_norm", "out", out, x.rows, x.cols);
  in_parallel(x.rows, x.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.rms_norm(x.as<float>() + i * x.stride, gain.as<float>(), epsilon, row_of(out, i), out.dtype,
                        x.cols);
    }
  });
}

void CpuBackend::rms_norm_backward(ConstMatrix d_out, ConstMatrix x, ConstMatrix gain, double epsilon,
                                   Matrix d_x) {
  const char* operation = "rms_norm_backward";
  check_dtype(operation, "d_out", d_out, {DType::f32});
  check_dtype(operation, "x", x, {DType::f32});
  check_dtype(operation, "gain", gain, {DType::f32});
  check_dtype(operation, "d_x", d_x, {DType::f32});
  check_shape(operation, "x", x, x.rows, x.cols);
  check_shape(operation, "d_out", d_out, x.rows, x.cols);
  check_shape(operation, "gain", gain, 1, x.cols);
  check_shape(operation, "d_x", d_x, x.rows, x.cols);
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
  check_activation("swiglu", "gate", gate);
  check_activation("swiglu", "up", up);
  check_activation("swiglu", "out", out);
  check_shape("swiglu", "gate", gate, gate.rows, gate.cols);
  check_shape("swiglu", "up", up, gate.rows, gate.cols);
  check_shape("swiglu", "out", out, gate.rows, gate.cols);
  in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.swiglu(row_of(gate, i), gate.dtype, row_of(up, i), up.dtype, row_of(out, i), out.dtype,
                      gate.cols);
    }
  });
}

void CpuBackend::swiglu_backward(ConstMatrix d_out, ConstMatrix gate, ConstMatrix up, Matrix d_gate,
                                 Matrix d_up) {
  const char* operation = "swiglu_backward";
  const struct {
    const char* operand;
    ConstMatrix matrix;
  } operands[] = {{"d_out", d_out}, {"gate", gate}, {"up", up}, {"d_gate", d_gate}, {"d_up", d_up}};
  for (const auto& [operand, matrix] : operands) {
    check_activation(operation, operand, matrix);
    check_shape(operation, operand, matrix, gate.rows, gate.cols);
  }
  in_parallel(gate.rows, gate.cols, [&](std::int64_t first, std::int64_t last, int) {
    for (std::int64_t i = first; i < last; ++i) {
      kernels_.swiglu_backward(row_of(d_out, i), d_out.dtype, row_of(gate, i), gate.dtype, row_of(up, i),
                               up.dtype, row_of(d_gate, i), d_gate.dtype, row_of(d_up, i), d_up.dtype,
                               gate.cols);
    }
  });
}

}  // namespace cce
