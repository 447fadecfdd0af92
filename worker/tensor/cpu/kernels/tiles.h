#pragma once
#include "worker/tensor/cpu/kernels/half.h"
#include "worker/tensor/cpu/kernels/vector.h"

/// Small matrix products C ← C + A B inside attention. A: row-major. B: panels of 16 columns, each `depth` ×
/// 16; bf16 panels hold pairs of consecutive depths side by side (what dpbf16 and AMX read). C: row-major
/// f32. Sizes are multiples of tile_side; packing fills up with zeros.
namespace cce {
namespace {

constexpr std::int64_t tile_side = 32;

constexpr std::int64_t padded(std::int64_t n) {
  return (n + tile_side - 1) / tile_side * tile_side;
}
constexpr std::int64_t least(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}
constexpr std::int64_t most(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}

template <typename E>
inline std::int64_t panel_index(std::int64_t k, std::int64_t column, std::int64_t depth) {
  const std::int64_t panel = column / lanes * depth * lanes;
  if constexpr (sizeof(E) == sizeof(float)) {
    return panel + k * lanes + column % lanes;
  } else {
    return panel + k / 2 * (2 * lanes) + column % lanes * 2 + k % 2;
  }
}

template <typename E>
struct ProductArguments {
  const E* a;
  std::int64_t a_stride;
  const E* b;                 ///< first panel, at the first depth used
  std::int64_t panel_stride;  ///< elements from one panel to the next: 16 × the whole depth
  float* c;
  std::int64_t c_stride;
  std::int64_t rows, cols, depth;
  bool accumulate;
};

#if defined(__AVX512F__)
constexpr int block_rows = 8, block_panels = 2;
#elif defined(__AVX2__)
constexpr int block_rows = 4, block_panels = 1;
#else
constexpr int block_rows = 2, block_panels = 1;
#endif

inline void multiply_block(const ProductArguments<float>& p, std::int64_t row, std::int64_t panel) {
  Floats total[block_rows][block_panels] = {};
  const float* a = p.a + row * p.a_stride;
  const float* b = p.b + panel * p.panel_stride;
  for (std::int64_t k = 0; k < p.depth; ++k) {
    for (int j = 0; j < block_panels; ++j) {
      const Floats column = load(b + j * p.panel_stride + k * lanes, AllLanes{});
      for (int i = 0; i < block_rows; ++i) {
        total[i][j] += a[i * p.a_stride + k] * column;
      }
    }
  }
  for (int i = 0; i < block_rows; ++i) {
    for (int j = 0; j < block_panels; ++j) {
      float* c = p.c + (row + i) * p.c_stride + (panel + j) * lanes;
      store(p.accumulate ? load(c, AllLanes{}) + total[i][j] : total[i][j], c, AllLanes{});
    }
  }
}

inline void multiply_tiles(const ProductArguments<float>& p) {
  for (std::int64_t panel = 0; panel < p.cols / lanes; panel += block_panels) {
    for (std::int64_t row = 0; row < p.rows; row += block_rows) {
      multiply_block(p, row, panel);
    }
  }
}

#if defined(__AMX_BF16__)

/// GCC's tile intrinsics do not say that they read memory: without this, stores before them could move past
/// them.
inline void finish_stores(const void* memory) {
  __asm__ volatile("" : : "r"(memory) : "memory");
}

/// Eight tiles of 16 rows × 64 bytes: 0-3 hold C, 4-5 A, 6-7 B. A thread keeps them for one attention job.
class TileSession {
 public:
  TileSession() {
    struct alignas(64) {
      std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
      std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
    } config;
    finish_stores(&config);
    _tile_loadconfig(&config);
  }
  ~TileSession() { _tile_release(); }
  TileSession(const TileSession&) = delete;
  TileSession& operator=(const TileSession&) = delete;
};

/// 32 × 32 sums; before each step of 32 depths, per_step(depth) may prefetch what comes later.
template <typename PerStep>
inline void multiply_block(const ProductArguments<BFloat16>& p, std::int64_t row, std::int64_t panel,
                           PerStep per_step) {
  float* c = p.c + row * p.c_stride + panel * lanes;
  float* lower = c + 16 * p.c_stride;
  const auto c_bytes = static_cast<std::size_t>(p.c_stride) * sizeof(float);
  if (p.accumulate) {
    _tile_loadd(0, c, c_bytes);
    _tile_loadd(1, c + 16, c_bytes);
    _tile_loadd(2, lower, c_bytes);
    _tile_loadd(3, lower + 16, c_bytes);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }
  const BFloat16* a = p.a + row * p.a_stride;
  const BFloat16* b = p.b + panel * p.panel_stride;
  const auto a_bytes = static_cast<std::size_t>(p.a_stride) * sizeof(BFloat16);
  for (std::int64_t k = 0; k < p.depth; k += 32) {
    per_step(k);
    _tile_loadd(4, a + k, a_bytes);
    _tile_loadd(5, a + 16 * p.a_stride + k, a_bytes);
    _tile_loadd(6, b + k * lanes, 64);
    _tile_loadd(7, b + p.panel_stride + k * lanes, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, c_bytes);
  _tile_stored(1, c + 16, c_bytes);
  _tile_stored(2, lower, c_bytes);
  _tile_stored(3, lower + 16, c_bytes);
}

inline void multiply_tiles(const ProductArguments<BFloat16>& p) {
  finish_stores(&p);
  for (std::int64_t panel = 0; panel < p.cols / lanes; panel += 2) {
    for (std::int64_t row = 0; row < p.rows; row += 32) {
      multiply_block(p, row, panel, [](std::int64_t) {});
    }
  }
}

#else

struct TileSession {
  TileSession() {}
};

#if defined(__AVX512BF16__)

inline void multiply_block(const ProductArguments<BFloat16>& p, std::int64_t row, std::int64_t panel) {
  __m512 total[block_rows][block_panels];
  for (int i = 0; i < block_rows; ++i) {
    for (int j = 0; j < block_panels; ++j) {
      float* c = p.c + (row + i) * p.c_stride + (panel + j) * lanes;
      total[i][j] = p.accumulate ? _mm512_loadu_ps(c) : _mm512_setzero_ps();
    }
  }
  const BFloat16* a = p.a + row * p.a_stride;
  const BFloat16* b = p.b + panel * p.panel_stride;
  for (std::int64_t k = 0; k < p.depth; k += 2) {
    for (int j = 0; j < block_panels; ++j) {
      const __m512i column = _mm512_loadu_si512(b + j * p.panel_stride + k * lanes);
      for (int i = 0; i < block_rows; ++i) {
        std::int32_t pair;
        __builtin_memcpy(&pair, a + i * p.a_stride + k, sizeof(pair));
        total[i][j] = _mm512_dpbf16_ps(total[i][j], reinterpret<__m512bh>(_mm512_set1_epi32(pair)),
                                       reinterpret<__m512bh>(column));
      }
    }
  }
  for (int i = 0; i < block_rows; ++i) {
    for (int j = 0; j < block_panels; ++j) {
      _mm512_storeu_ps(p.c + (row + i) * p.c_stride + (panel + j) * lanes, total[i][j]);
    }
  }
}

inline void multiply_tiles(const ProductArguments<BFloat16>& p) {
  for (std::int64_t panel = 0; panel < p.cols / lanes; panel += block_panels) {
    for (std::int64_t row = 0; row < p.rows; row += block_rows) {
      multiply_block(p, row, panel);
    }
  }
}

#endif
#endif

}  // namespace
}  // namespace cce
