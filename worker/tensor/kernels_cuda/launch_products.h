#pragma once
#include "worker/tensor/kernels_cuda/launch_rows.h"

/// Products, as Backend promises them, from a library's plain product.
namespace cce::cuda_kernels {

/// C ← α op(A) op(B) + β C. `product` computes it where nothing is empty and α is not 0.
template <typename Device, typename Product>
void multiply(const Device& device, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
              Transpose transpose_b, Matrix c, double alpha, double beta, Product product) {
  const std::int64_t depth = check_multiply(a, transpose_a, b, transpose_b, c, beta);
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
void gram(const Device& device, ConstMatrix features, Matrix gram) {
  check_gram(features, gram);
  if (features.empty()) {
    return;
  }
  constexpr std::int64_t block = 1024;
  for (std::int64_t first = 0; first < gram.cols; first += block) {
    const std::int64_t count = std::min(block, gram.cols - first);
    device.backend().multiply(features.cols_from(first, count), Transpose::yes,
                              features.cols_from(first, gram.cols - first), Transpose::no,
                              gram.block(first, first, count, gram.cols - first), 1.0, 1.0);
  }
  mirror_upper(device, gram);
}

}  // namespace cce::cuda_kernels
