#pragma once
#include "worker/tensor/ops/products/product_ops.h"
#include "worker/tensor/ops/rows/row_cuda.h"

/// Products, as product_ops.h defines them, from a library's plain product.
namespace cce::cuda_kernels {

/// C ← α op(A) op(B) + β C. `product(depth)` computes it where nothing is empty and α is not 0.
template <typename Device, typename Product>
void multiply_by(const Device& device, ConstMatrix a, Transpose transpose_a, Matrix c, double alpha,
                 double beta, Product product) {
  const std::int64_t depth = product_depth(a, transpose_a);
  if (c.empty()) {
    return;
  }
  if (depth == 0 || alpha == 0.0) {
    scale(device, c, beta);
  } else {
    product(depth);
  }
}

/// G ← G + Fᵀ F: block columns of the upper triangle, then its mirror image; no second copy of G or F.
template <typename Device>
void gram(Backend& backend, ConstMatrix features, Matrix gram) {
  const Device device(backend, "gram");
  if (features.empty()) {
    return;
  }
  constexpr std::int64_t block = 1024;
  for (std::int64_t first = 0; first < gram.cols; first += block) {
    const std::int64_t count = std::min(block, gram.cols - first);
    ops::multiply(backend, features.cols_from(first, count), Transpose::yes,
                  features.cols_from(first, gram.cols - first), Transpose::no,
                  gram.block(first, first, count, gram.cols - first), 1.0, 1.0);
  }
  mirror_upper(device, gram);
}

}  // namespace cce::cuda_kernels
