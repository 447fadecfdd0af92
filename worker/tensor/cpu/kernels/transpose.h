#pragma once
#include "worker/tensor/cpu/kernels/vector.h"

/// Moves bf16 matrices into the layouts of tile products, sixteen pairs of numbers at a time.
namespace cce {
namespace {

/// One step of the recursive transposition: exchanges the off-diagonal blocks of `step` lanes in rows i and i
/// + step.
template <int step>
inline __attribute__((always_inline)) void exchange(Words& upper, Words& lower) {
  constexpr auto low = [](int lane) { return (lane & step) ? 16 + lane - step : lane; };
  constexpr auto high = [](int lane) { return (lane & step) ? 16 + lane : lane + step; };
  const Words first =
      __builtin_shufflevector(upper, lower, low(0), low(1), low(2), low(3), low(4), low(5), low(6), low(7),
                              low(8), low(9), low(10), low(11), low(12), low(13), low(14), low(15));
  lower = __builtin_shufflevector(upper, lower, high(0), high(1), high(2), high(3), high(4), high(5), high(6),
                                  high(7), high(8), high(9), high(10), high(11), high(12), high(13), high(14),
                                  high(15));
  upper = first;
}

template <int step>
inline __attribute__((always_inline)) void exchange_all(Words (&rows)[16]) {
  for (int i = 0; i < 16; ++i) {
    if ((i & step) == 0) {
      exchange<step>(rows[i], rows[i + step]);
    }
  }
}

/// rows[i][j] ↔ rows[j][i]
inline __attribute__((always_inline)) void transpose_words(Words (&rows)[16]) {
  exchange_all<8>(rows);
  exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}

/// Up to 32 numbers as sixteen pairs, zeros behind them.
inline Words load_pairs(const BFloat16* source, std::int64_t count) {
  Words v{};
  if (count >= 2 * lanes) {
    __builtin_memcpy(&v, source, sizeof(v));
  } else if (count > 0) {
    __builtin_memcpy(&v, source, static_cast<std::size_t>(count) * sizeof(BFloat16));
  }
  return v;
}

inline void store_words(Words v, BFloat16* target) {
  __builtin_memcpy(static_cast<void*>(target), &v, sizeof(v));
}

/// One panel of B = sourceᵀ: source has `cols` ≤ 16 rows of `depth` numbers.
inline void pack_panel_transposed(const BFloat16* source, std::int64_t stride, std::int64_t cols,
                                  std::int64_t depth, BFloat16* panel) {
  for (std::int64_t k = 0; k < depth; k += 2 * lanes) {
    Words rows[16];
    for (int j = 0; j < 16; ++j) {
      rows[j] = j < cols ? load_pairs(source + j * stride + k, depth - k) : Words{};
    }
    transpose_words(rows);
    for (int i = 0; i < 16; ++i) {
      store_words(rows[i], panel + (k + 2 * i) * lanes);
    }
  }
}

/// One panel of B = source: `depth` rows of `cols` ≤ 16 numbers, filled up to a depth of `padded_depth`.
inline void pack_panel(const BFloat16* source, std::int64_t stride, std::int64_t cols, std::int64_t depth,
                       std::int64_t padded_depth, BFloat16* panel) {
  const auto row = [&](std::int64_t k) {
    if (k >= depth) {
      return Words{};
    }
    const BFloat16* first = source + k * stride;
    const Halves bits =
        cols >= lanes ? load_raw<Halves>(first, AllLanes{}) : load_raw<Halves>(first, SomeLanes{cols});
    return __builtin_convertvector(bits, Words);
  };
  for (std::int64_t k = 0; k < padded_depth; k += 2) {
    store_words(row(k) | (row(k + 1) << 16), panel + k * lanes);
  }
}

/// Sixteen rows of A from the panel of B = Aᵀ.
inline void rows_from_panel(const BFloat16* panel, std::int64_t padded_depth, BFloat16* rows,
                            std::int64_t row_stride) {
  for (std::int64_t k = 0; k < padded_depth; k += 2 * lanes) {
    Words words[16];
    for (int i = 0; i < 16; ++i) {
      words[i] = load_pairs(panel + (k + 2 * i) * lanes, 2 * lanes);
    }
    transpose_words(words);
    for (int j = 0; j < 16; ++j) {
      store_words(words[j], rows + j * row_stride + k);
    }
  }
}

}  // namespace
}  // namespace cce
