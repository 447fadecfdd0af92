#pragma once
#include <cstdint>
#include <span>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// How a backend gathers, scatters and transposes matrices of f32 or f64, source and target of one dtype and without
/// common elements; the functions below check the operands.
struct SelectionOps {
  void (*gather)(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                 std::span<const std::int32_t> cols, Matrix target);
  void (*scatter)(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                  std::span<const std::int32_t> cols, Matrix target);
  void (*transpose)(Backend& backend, ConstMatrix source, Matrix target);
};

template <template <auto> class Wrap>
constexpr SelectionOps wrapped_selection_ops() {
  return {.gather = Wrap<&SelectionOps::gather>::call,
          .scatter = Wrap<&SelectionOps::scatter>::call,
          .transpose = Wrap<&SelectionOps::transpose>::call};
}
const SelectionOps& cpu_selection_ops();
const SelectionOps& cuda_selection_ops();

/// gather and scatter: `whole` is the matrix that the lists index, `part` the other. Errors: shape_mismatch, unsupported,
/// out_of_range.
void check_selection(const char* operation, const ConstMatrix& whole, std::span<const std::int32_t> rows,
                     std::span<const std::int32_t> cols, const ConstMatrix& part);

namespace ops {

/// target_ij ← source[rows_i, cols_j]; an empty list means all in order. Errors: out_of_range.
inline void gather(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                   std::span<const std::int32_t> cols, Matrix target) {
  check_selection("gather", source, rows, cols, target);
  backend.ops().selections->gather(backend, source, rows, cols, target);
}

/// target[rows_i, cols_j] ← source_ij; an empty list means all in order; no index twice. Errors:
/// out_of_range.
inline void scatter(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                    std::span<const std::int32_t> cols, Matrix target) {
  check_selection("scatter", target, rows, cols, source);
  backend.ops().selections->scatter(backend, source, rows, cols, target);
}

/// target ← sourceᵀ.
inline void transpose(Backend& backend, ConstMatrix source, Matrix target) {
  check_dtype("transpose", "source", source, {DType::f32, DType::f64});
  check_dtype("transpose", "target", target, {source.dtype});
  check_shape("transpose", "source", source, source.rows, source.cols);
  check_shape("transpose", "target", target, source.cols, source.rows);
  backend.ops().selections->transpose(backend, source, target);
}

}  // namespace ops

}  // namespace cce
