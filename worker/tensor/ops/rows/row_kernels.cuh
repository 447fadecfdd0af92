#pragma once
#include "worker/tensor/cuda/kernels/reduce.cuh"

/// Rows and elements: backend.h has the formulas.
namespace cce::cuda_kernels {

/// target ← source, any dtypes.
template <typename = void>
__global__ void convert_elements(ConstMatrix source, Matrix target) {
  for_each_quad(target.rows, target.cols, [&](std::int64_t row, std::int64_t col) {
    const std::int64_t last = smaller(col + 4, target.cols);
    for (std::int64_t j = col; j < last; ++j) {
      store_number(target.data, target.dtype, row * target.stride + j,
                   load_number(source.data, source.dtype, row * source.stride + j));
    }
  });
}

/// The same between f32 and bf16, four elements at a time.
template <typename = void>
__global__ void convert_activations(ConstMatrix source, Matrix target) {
  for_each_quad(target.rows, target.cols, [&](std::int64_t row, std::int64_t col) {
    store_quad(load_quad(source, row, col), target, row, col);
  });
}

/// target ← target + α source, source f32 or bf16, target f32.
template <typename = void>
__global__ void add_activations(ConstMatrix source, Matrix target, float alpha) {
  for_each_quad(target.rows, target.cols, [&](std::int64_t row, std::int64_t col) {
    Quad sum = load_quad(target, row, col);
    const Quad term = load_quad(source, row, col);
    for (int i = 0; i < 4; ++i) {
      sum.value[i] += alpha * term.value[i];
    }
    store_quad(sum, target, row, col);
  });
}

/// target ← target + α source, target f64.
template <typename = void>
__global__ void add_to_doubles(ConstMatrix source, Matrix target, double alpha) {
  for_each_quad(target.rows, target.cols, [&](std::int64_t row, std::int64_t col) {
    auto* out = static_cast<double*>(target.data) + row * target.stride;
    for (std::int64_t j = col; j < smaller(col + 4, target.cols); ++j) {
      out[j] += alpha * load_number(source.data, source.dtype, row * source.stride + j);
    }
  });
}

template <typename = void>
__global__ void add_bias_to_rows(ConstMatrix bias, Matrix x) {
  for_each_quad(x.rows, x.cols, [&](std::int64_t row, std::int64_t col) {
    Quad sum = load_quad(x, row, col);
    const Quad term = load_quad(bias, 0, col);
    for (int i = 0; i < 4; ++i) {
      sum.value[i] += term.value[i];
    }
    store_quad(sum, x, row, col);
  });
}

template <typename = void>
__global__ void scale_each_row(ConstMatrix source, const float* scale, Matrix target) {
  for_each_quad(target.rows, target.cols, [&](std::int64_t row, std::int64_t col) {
    Quad product = load_quad(source, row, col);
    for (float& value : product.value) {
      value *= scale[row];
    }
    store_quad(product, target, row, col);
  });
}

/// x ← factor x, of f32, bf16 or f64; a factor of 0 clears what is not finite too.
template <typename = void>
__global__ void scale_elements(Matrix x, double factor) {
  for_each_quad(x.rows, x.cols, [&](std::int64_t row, std::int64_t col) {
    for (std::int64_t j = col; j < smaller(col + 4, x.cols); ++j) {
      const std::int64_t at = row * x.stride + j;
      store_number(x.data, x.dtype, at, factor == 0.0 ? 0.0 : factor * load_number(x.data, x.dtype, at));
    }
  });
}

/// Σ of squares of this block's row, in every thread.
__device__ inline float squares_of_row(const ConstMatrix& x, std::int64_t row, unsigned char* shared) {
  float squares = 0.0f;
  for_each_quad_of_row(x.cols, [&](std::int64_t col) {
    const Quad quad = load_quad(x, row, col);
    for (const float value : quad.value) {
      squares += value * value;
    }
  });
  return block_sum(squares, shared);
}

/// One block per row.
template <typename = void>
__global__ void squared_norm_of_rows(ConstMatrix x, float* out) {
  const std::int64_t row = blockIdx.x;
  const float squares = squares_of_row(x, row, shared_memory());
  if (threadIdx.x == 0) {
    out[row] = squares;
  }
}

inline constexpr int column_lanes = 32;  ///< columns of a block of column_sums_part
inline constexpr int column_slices = 8;  ///< threads that share a column there

/// partial[chunk][j] ← Σ_i weight_i x_ij y_ij over rows [chunk rows_per_chunk, + rows_per_chunk): chunk =
/// blockIdx.y; no weight (null) or no y (no data) stand for ones. Blocks of column_lanes × column_slices
/// threads.
template <typename = void>
__global__ void column_sums_part(ConstMatrix x, ConstMatrix y, const float* weight,
                                 std::int64_t rows_per_chunk, float* partial) {
  auto* sums = reinterpret_cast<float*>(shared_memory());
  const std::int64_t col = static_cast<std::int64_t>(blockIdx.x) * column_lanes + threadIdx.x;
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.y) * rows_per_chunk;
  const std::int64_t last = smaller(first + rows_per_chunk, x.rows);
  float total = 0.0f;
  if (col < x.cols) {
    for (std::int64_t row = first + threadIdx.y; row < last; row += column_slices) {
      auto value = static_cast<float>(load_number(x.data, x.dtype, row * x.stride + col));
      if (y.data != nullptr) {
        value *= static_cast<float>(load_number(y.data, y.dtype, row * y.stride + col));
      }
      total += weight == nullptr ? value : weight[row] * value;
    }
  }
  sums[threadIdx.y * column_lanes + threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y == 0 && col < x.cols) {
    for (int slice = 1; slice < column_slices; ++slice) {
      total += sums[slice * column_lanes + threadIdx.x];
    }
    partial[static_cast<std::int64_t>(blockIdx.y) * x.cols + col] = total;
  }
}

/// out_j ← out_j + Σ_chunk partial[chunk][j], chunks in order.
template <typename = void>
__global__ void column_sums_finish(const float* partial, std::int64_t chunks, std::int64_t cols, float* out) {
  const std::int64_t col = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (col < cols) {
    float total = 0.0f;
    for (std::int64_t chunk = 0; chunk < chunks; ++chunk) {
      total += partial[chunk * cols + col];
    }
    out[col] += total;
  }
}

/// G ← its upper triangle and the mirror image of it. Blocks of 32 × 8 threads, a 32 × 32 tile each.
template <typename T>
__global__ void mirror_upper_triangle(T* g, std::int64_t n, std::int64_t stride) {
  constexpr int side = 32;
  auto* tile = reinterpret_cast<T*>(shared_memory());  // side × (side + 1): rows in banks of their own
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.y) * side;
  const std::int64_t col = static_cast<std::int64_t>(blockIdx.x) * side;
  if (col < row) {
    return;  // all of the block's threads
  }
  for (int i = static_cast<int>(threadIdx.y); i < side; i += static_cast<int>(blockDim.y)) {
    const int j = static_cast<int>(threadIdx.x);
    if (row + i < n && col + j < n) {
      tile[i * (side + 1) + j] = g[(row + i) * stride + col + j];
    }
  }
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.y); i < side; i += static_cast<int>(blockDim.y)) {
    const int j = static_cast<int>(threadIdx.x);
    if (col + i < n && row + j < n && col + i > row + j) {
      g[(col + i) * stride + row + j] = tile[j * (side + 1) + i];
    }
  }
}

}  // namespace cce::cuda_kernels
