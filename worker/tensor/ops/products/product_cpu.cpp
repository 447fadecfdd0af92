#include <cblas.h>

#include <algorithm>

#include "worker/tensor/cpu/cpu_backend.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/ops/products/product_tiles_cpu.h"
#include "worker/tensor/row_pointer.h"

namespace cce {
namespace cpu_ops {
namespace {

CBLAS_TRANSPOSE blas_transpose(Transpose transpose) {
  return transpose == Transpose::yes ? CblasTrans : CblasNoTrans;
}

int blas_size(std::int64_t n) {
  return static_cast<int>(n);
}

/// C ← β C
void scale_matrix(const CpuKernels& kernels, Matrix c, double beta) {
  for (std::int64_t i = 0; i < c.rows; ++i) {
    if (beta == 0.0) {
      std::fill_n(row_of(c, i), static_cast<std::size_t>(c.cols) * size_in_bytes(c.dtype), std::byte{0});
    } else if (c.dtype == DType::f64) {
      cblas_dscal(blas_size(c.cols), beta, c.as<double>() + i * c.stride, 1);
    } else {
      kernels.rows.scale(row_of(c, i), c.dtype, static_cast<float>(beta), row_of(c, i), c.dtype, c.cols);
    }
  }
}

template <typename T>
void mirror_upper(Matrix g) {
  constexpr std::int64_t tile = 32;  // both sides of a tile pair stay in cache
  T* data = g.as<T>();
  for (std::int64_t row = 0; row < g.rows; row += tile) {
    for (std::int64_t col = 0; col <= row; col += tile) {
      for (std::int64_t i = row; i < std::min(row + tile, g.rows); ++i) {
        for (std::int64_t j = col; j < std::min(col + tile, i); ++j) {
          data[i * g.stride + j] = data[j * g.stride + i];
        }
      }
    }
  }
}

}  // namespace

void multiply(CpuBackend& cpu, ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
              Matrix c, double alpha, double beta) {
  const std::int64_t depth = product_depth(a, transpose_a);
  if (c.empty()) {
    return;
  }
  if (depth == 0 || alpha == 0.0) {
    scale_matrix(cpu.kernels(), c, beta);
    return;
  }
  if (a.dtype == DType::bf16 && has_tile_products(cpu, c.rows)) {
    multiply_in_tiles(cpu, a, transpose_a, b, transpose_b, c, static_cast<float>(alpha),
                      static_cast<float>(beta), false);
    return;
  }
  if (a.dtype != DType::f64) {
    cpu.gemm().multiply(a, transpose_a, b, transpose_b, c, static_cast<float>(alpha),
                        static_cast<float>(beta));
    return;
  }
  cpu.use_threads_in_blas();
  cblas_dgemm(CblasRowMajor, blas_transpose(transpose_a), blas_transpose(transpose_b), blas_size(c.rows),
              blas_size(c.cols), blas_size(depth), alpha, a.as<double>(), blas_size(a.stride), b.as<double>(),
              blas_size(b.stride), beta, c.as<double>(), blas_size(c.stride));
}

void gram(CpuBackend& cpu, ConstMatrix features, Matrix gram) {
  if (features.empty()) {
    return;
  }
  if (features.dtype == DType::f64) {
    cpu.use_threads_in_blas();
    cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, blas_size(gram.rows), blas_size(features.rows), 1.0,
                features.as<double>(), blas_size(features.stride), 1.0, gram.as<double>(),
                blas_size(gram.stride));
    mirror_upper<double>(gram);
    return;
  }
  if (features.dtype == DType::bf16 && has_tile_products(cpu, features.cols)) {
    multiply_in_tiles(cpu, features, Transpose::yes, features, Transpose::no, gram, 1.0f, 1.0f, true);
    mirror_upper<float>(gram);
    return;
  }
  // Block columns of the upper triangle, then the mirror image.
  constexpr std::int64_t block = 512;
  for (std::int64_t first = 0; first < gram.cols; first += block) {
    const std::int64_t count = std::min(block, gram.cols - first);
    cpu.gemm().multiply(features.cols_from(first, count), Transpose::yes,
                        features.cols_from(first, gram.cols - first), Transpose::no,
                        gram.block(first, first, count, gram.cols - first), 1.0f, 1.0f);
  }
  mirror_upper<float>(gram);
}

}  // namespace cpu_ops

const ProductOps& cpu_product_ops() {
  static constexpr ProductOps table{.multiply = OpEntry<CpuBackend, cpu_ops::multiply>::call,
                                    .gram = OpEntry<CpuBackend, cpu_ops::gram>::call};
  return table;
}

}  // namespace cce
