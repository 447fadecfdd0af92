#pragma once
#include <cstdint>

#include "worker/tensor/ops/checks.h"

namespace cce {

/// How a backend computes products; the functions below check the operands.
struct ProductOps {
  void (*multiply)(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b,
                   Transpose transpose_b, Matrix c, double alpha, double beta);
  void (*gram)(Backend& backend, ConstMatrix features, Matrix gram);
};

template <template <auto> class Wrap>
constexpr ProductOps wrapped_product_ops() {
  return {.multiply = Wrap<&ProductOps::multiply>::call, .gram = Wrap<&ProductOps::gram>::call};
}
const ProductOps& cpu_product_ops();
const ProductOps& cuda_product_ops();

namespace ops {

/// C ← α op(A) op(B) + β C. (f32, f32) → f32; (bf16, bf16) → f32 or bf16 (β = 0 for bf16); (f64, f64) → f64.
void multiply(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
              Matrix c, double alpha = 1.0, double beta = 0.0);

/// G ← G + Fᵀ F, both triangles. F any, tokens × n; G f32 (or F, G both f64), n × n.
void gram(Backend& backend, ConstMatrix features, Matrix gram);

}  // namespace ops

/// The inner dimension of op(A) op(B).
inline std::int64_t product_depth(const ConstMatrix& a, Transpose transpose_a) {
  return transpose_a == Transpose::yes ? a.rows : a.cols;
}

}  // namespace cce
