#pragma once
#include "worker/tensor/cpu/kernels/tiles.h"
#include "worker/tensor/cpu/kernels/transpose.h"
#include "worker/tensor/ops/rows/row_kernels.h"

/// Copies of parts of activations in the layouts that multiply_tiles reads, filled up with zeros.
namespace cce {
namespace {

/// A row-major source of f32 or bf16 numbers.
template <typename T>
struct Source {
  const T* data;
  std::int64_t stride;
  std::int64_t rows, cols;
};

template <typename E, typename T>
inline E element(T value) {
  if constexpr (sizeof(E) == sizeof(T)) {
    return value;
  } else {
    return Element<E>::from(Element<T>::to(value));
  }
}

template <typename E>
inline void clear(E* target, std::int64_t count) {
  __builtin_memset(static_cast<void*>(target), 0, static_cast<std::size_t>(count) * sizeof(E));
}

/// target[i][j] = source[i][j]: row-major, padded(rows) × padded(cols).
template <typename E, typename T>
inline void pack_rows(const Source<T>& source, E* target, std::int64_t target_stride) {
  const std::int64_t cols = padded(source.cols);
  for (std::int64_t i = 0; i < padded(source.rows); ++i) {
    E* row = target + i * target_stride;
    const std::int64_t filled = i < source.rows ? source.cols : 0;
    convert_elements(source.data + (filled > 0 ? i * source.stride : 0), row, filled);
    clear(row + filled, cols - filled);
  }
}

/// target[j][i] = source[i][j]: row-major, padded(cols) × padded(rows).
template <typename E, typename T>
inline void pack_columns(const Source<T>& source, E* target, std::int64_t target_stride) {
  if constexpr (sizeof(E) == sizeof(BFloat16)) {
    alignas(64) BFloat16 panel[lanes * 2 * lanes];
    for (std::int64_t j = 0; j < padded(source.cols); j += lanes) {
      const std::int64_t cols = most(0, least(lanes, source.cols - j));
      for (std::int64_t i = 0; i < padded(source.rows); i += 2 * lanes) {
        pack_panel(source.data + i * source.stride + (cols > 0 ? j : 0), source.stride, cols, source.rows - i,
                   2 * lanes, panel);
        rows_from_panel(panel, 2 * lanes, target + j * target_stride + i, target_stride);
      }
    }
    return;
  }
  const std::int64_t rows = padded(source.rows);
  for (std::int64_t j = 0; j < padded(source.cols); ++j) {
    clear(target + j * target_stride, rows);
  }
  for (std::int64_t first = 0; first < source.rows; first += tile_side) {
    const std::int64_t last = least(source.rows, first + tile_side);
    for (std::int64_t j = 0; j < source.cols; ++j) {
      for (std::int64_t i = first; i < last; ++i) {
        target[j * target_stride + i] = element<E>(source.data[i * source.stride + j]);
      }
    }
  }
}

/// Panels of B[i][j] = source[i][j]: depth padded(rows), padded(cols) columns.
template <typename E, typename T>
inline void pack_panels(const Source<T>& source, E* target) {
  const std::int64_t depth = padded(source.rows);
  if constexpr (sizeof(E) == sizeof(BFloat16)) {
    for (std::int64_t j = 0; j < padded(source.cols); j += lanes) {
      const std::int64_t cols = most(0, least(lanes, source.cols - j));
      pack_panel(source.data + (cols > 0 ? j : 0), source.stride, cols, source.rows, depth,
                 target + j * depth);
    }
    return;
  }
  clear(target, depth * padded(source.cols));
  for (std::int64_t i = 0; i < source.rows; ++i) {
    for (std::int64_t j = 0; j < source.cols; ++j) {
      target[panel_index<E>(i, j, depth)] = element<E>(source.data[i * source.stride + j]);
    }
  }
}

/// Panels of B[j][i] = source[i][j]: depth padded(cols), padded(rows) columns.
template <typename E, typename T>
inline void pack_panels_transposed(const Source<T>& source, E* target) {
  const std::int64_t depth = padded(source.cols);
  if constexpr (sizeof(E) == sizeof(BFloat16)) {
    for (std::int64_t i = 0; i < padded(source.rows); i += lanes) {
      const std::int64_t rows = most(0, least(lanes, source.rows - i));
      pack_panel_transposed(source.data + (rows > 0 ? i * source.stride : 0), source.stride, rows,
                            source.cols, target + i * depth);
    }
    return;
  }
  clear(target, depth * padded(source.rows));
  for (std::int64_t i = 0; i < source.rows; ++i) {
    for (std::int64_t j = 0; j < source.cols; ++j) {
      target[panel_index<E>(j, i, depth)] = element<E>(source.data[i * source.stride + j]);
    }
  }
}

/// Two vectors of consecutive depths side by side, as the panels of the product want them.
inline void store_panel_pair(Floats even, Floats odd, float* panel) {
  store(even, panel, AllLanes{});
  store(odd, panel + lanes, AllLanes{});
}
inline void store_panel_pair(Floats even, Floats odd, BFloat16* panel) {
  const Words low = __builtin_convertvector(narrow(even), Words);
  const Words high = __builtin_convertvector(narrow(odd), Words);
  const Words pair = low | (high << 16);
  __builtin_memcpy(static_cast<void*>(panel), &pair, sizeof(pair));
}

/// Hands out 64-byte aligned pieces of one block; with a null block it only counts.
class Scratch {
 public:
  explicit Scratch(std::byte* block) : block_(block) {}
  template <typename T>
  T* take(std::int64_t count) {
    std::byte* piece = block_ == nullptr ? nullptr : block_ + used_;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return reinterpret_cast<T*>(piece);
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* block_;
  std::size_t used_ = 0;
};

}  // namespace
}  // namespace cce
