#include <algorithm>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/selections/selection_ops.h"

namespace cce {
namespace cpu_ops {
namespace {

std::int64_t index_at(std::span<const std::int32_t> indices, std::int64_t i) {
  return indices.empty() ? i : indices[static_cast<std::size_t>(i)];
}

template <typename T>
void gather_row(const T* from, std::span<const std::int32_t> cols, T* to, std::int64_t count) {
  if (cols.empty()) {
    std::copy_n(from, count, to);
    return;
  }
  for (std::int64_t j = 0; j < count; ++j) {
    to[j] = from[cols[static_cast<std::size_t>(j)]];
  }
}

template <typename T>
void scatter_row(const T* from, std::span<const std::int32_t> cols, T* to, std::int64_t count) {
  if (cols.empty()) {
    std::copy_n(from, count, to);
    return;
  }
  for (std::int64_t j = 0; j < count; ++j) {
    to[cols[static_cast<std::size_t>(j)]] = from[j];
  }
}

/// Rows first … last of the target; tiles keep both sides in cache.
template <typename T>
void transpose_rows(ConstMatrix source, Matrix target, std::int64_t first, std::int64_t last) {
  constexpr std::int64_t tile = 32;
  for (std::int64_t row = first; row < last; row += tile) {
    const std::int64_t row_end = std::min(row + tile, last);
    for (std::int64_t col = 0; col < target.cols; col += tile) {
      const std::int64_t col_end = std::min(col + tile, target.cols);
      for (std::int64_t i = row; i < row_end; ++i) {
        for (std::int64_t j = col; j < col_end; ++j) {
          target.as<T>()[i * target.stride + j] = source.as<T>()[j * source.stride + i];
        }
      }
    }
  }
}

/// work(T{}) with T the matrix's element type, f32 or f64.
template <typename Work>
void with_type(DType dtype, const Work& work) {
  dtype == DType::f64 ? work(double{}) : work(float{});
}

}  // namespace

void gather(CpuBackend& cpu, ConstMatrix source, std::span<const std::int32_t> rows,
            std::span<const std::int32_t> cols, Matrix target) {
  with_type(source.dtype, [&]<typename T>(T) {
    cpu.in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        gather_row(source.as<T>() + index_at(rows, i) * source.stride, cols,
                   target.as<T>() + i * target.stride, target.cols);
      }
    });
  });
}

void scatter(CpuBackend& cpu, ConstMatrix source, std::span<const std::int32_t> rows,
             std::span<const std::int32_t> cols, Matrix target) {
  with_type(source.dtype, [&]<typename T>(T) {
    cpu.in_parallel(source.rows, source.cols, [&](std::int64_t first, std::int64_t last, int) {
      for (std::int64_t i = first; i < last; ++i) {
        scatter_row(source.as<T>() + i * source.stride, cols,
                    target.as<T>() + index_at(rows, i) * target.stride, source.cols);
      }
    });
  });
}

void transpose(CpuBackend& cpu, ConstMatrix source, Matrix target) {
  with_type(source.dtype, [&]<typename T>(T) {
    cpu.in_parallel(target.rows, target.cols, [&](std::int64_t first, std::int64_t last, int) {
      transpose_rows<T>(source, target, first, last);
    });
  });
}

}  // namespace cpu_ops

const SelectionOps& cpu_selection_ops() {
  static constexpr SelectionOps table{.gather = OpEntry<CpuBackend, cpu_ops::gather>::call,
                                      .scatter = OpEntry<CpuBackend, cpu_ops::scatter>::call,
                                      .transpose = OpEntry<CpuBackend, cpu_ops::transpose>::call};
  return table;
}

}  // namespace cce
