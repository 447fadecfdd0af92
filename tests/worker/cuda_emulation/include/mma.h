#pragma once
#include <cuda_bf16.h>

#include <type_traits>

/// 16 × 16 × 16 products of a warp (CUDA's wmma): lane l holds elements 8 l … 8 l + 7 of a fragment, row by
/// row. Which lane holds what is not specified by CUDA either.
namespace nvcuda::wmma {

struct matrix_a {};
struct matrix_b {};
struct accumulator {};
struct row_major {};
struct col_major {};
enum layout_t { mem_row_major, mem_col_major };

template <typename Use, int m, int n, int k, typename T, typename Layout = void>
struct fragment {
  static_assert(m == 16 && n == 16 && k == 16);
  static constexpr int num_elements = 8;
  T x[num_elements];
};

/// CUDA asks for tiles at multiples of 32 bytes and rows of multiples of 16.
template <typename T>
inline void check_tile(const T* data, unsigned stride) {
  if (reinterpret_cast<std::uintptr_t>(data) % 32 != 0 || stride * sizeof(T) % 16 != 0) {
    cce::cuda_emulation::BlockRunner::fail("a misaligned tile of a matrix");
  }
}

template <typename Body>
inline void for_each_own_element(Body body) {
  const int first = cce::cuda_emulation::BlockRunner::lane() * 8;
  for (int i = 0; i < 8; ++i) {
    body(i, static_cast<unsigned>((first + i) / 16), static_cast<unsigned>((first + i) % 16));
  }
}

template <typename Use, typename T, typename Layout>
inline void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& target, const T* data, unsigned stride) {
  check_tile(data, stride);
  for_each_own_element([&](int i, unsigned row, unsigned col) {
    target.x[i] = std::is_same_v<Layout, row_major> ? data[row * stride + col] : data[col * stride + row];
  });
}

inline void load_matrix_sync(fragment<accumulator, 16, 16, 16, float>& target, const float* data,
                             unsigned stride, layout_t layout) {
  check_tile(data, stride);
  for_each_own_element([&](int i, unsigned row, unsigned col) {
    target.x[i] = layout == mem_row_major ? data[row * stride + col] : data[col * stride + row];
  });
}

inline void store_matrix_sync(float* data, const fragment<accumulator, 16, 16, 16, float>& source,
                              unsigned stride, layout_t layout) {
  check_tile(data, stride);
  for_each_own_element([&](int i, unsigned row, unsigned col) {
    data[layout == mem_row_major ? row * stride + col : col * stride + row] = source.x[i];
  });
}

template <typename T>
inline void fill_fragment(fragment<accumulator, 16, 16, 16, T>& target, T value) {
  for (T& element : target.x) {
    element = value;
  }
}

/// d ← a b + c. d may be c.
template <typename LayoutA, typename LayoutB>
inline void mma_sync(fragment<accumulator, 16, 16, 16, float>& d,
                     const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>& a,
                     const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>& b,
                     const fragment<accumulator, 16, 16, 16, float>& c) {
  using cce::cuda_emulation::BlockRunner;
  struct Operands {
    const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>& a;
    const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>& b;
  } own{a, b};
  const std::uint64_t* all = BlockRunner::exchange(reinterpret_cast<std::uintptr_t>(&own));
  const auto of_lane = [all](unsigned lane) -> const Operands& {
    return *reinterpret_cast<const Operands*>(all[lane]);
  };
  float sum[8] = {};
  const auto row = static_cast<unsigned>(BlockRunner::lane()) / 2;
  const auto half = static_cast<unsigned>(BlockRunner::lane()) % 2;  // of the row: this lane's 8 columns
  for (unsigned k = 0; k < 16; ++k) {
    const float left = __bfloat162float(of_lane(2 * row + k / 8).a.x[k % 8]);
    for (unsigned i = 0; i < 8; ++i) {
      sum[i] += left * __bfloat162float(of_lane(2 * k + half).b.x[i]);
    }
  }
  BlockRunner::wait_for_warp();  // a and b may change from here on
  for (unsigned i = 0; i < 8; ++i) {
    d.x[i] = c.x[i] + sum[i];
  }
}

}  // namespace nvcuda::wmma
