#include "worker/tensor/ops/products/product_ops.h"

#include "common/base/error.h"

namespace cce::ops {

void multiply(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
              Matrix c, double alpha, double beta) {
  const char* operation = "multiply";
  const bool a_turned = transpose_a == Transpose::yes, b_turned = transpose_b == Transpose::yes;
  const std::int64_t inner = product_depth(a, transpose_a);
  check_shape(operation, "a", a, a_turned ? inner : c.rows, a_turned ? c.rows : inner);
  check_shape(operation, "b", b, b_turned ? c.cols : inner, b_turned ? inner : c.cols);
  check_shape(operation, "c", c, c.rows, c.cols);
  check_dtype(operation, "a", a, {DType::f32, DType::bf16, DType::f64});
  check_dtype(operation, "b", b, {a.dtype});
  if (a.dtype == DType::bf16) {
    check_activation(operation, "c", c);
  } else {
    check_dtype(operation, "c", c, {a.dtype});
  }
  if (c.dtype == DType::bf16 && beta != 0.0) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "multiply, beta",
                .found = std::to_string(beta),
                .expected = "0 for a bf16 result",
                .remedy = "Accumulate in f32"};
  }
  backend.ops().products->multiply(backend, a, transpose_a, b, transpose_b, c, alpha, beta);
}

void gram(Backend& backend, ConstMatrix features, Matrix gram) {
  check_shape("gram", "features", features, features.rows, features.cols);
  check_shape("gram", "gram", gram, features.cols, features.cols);
  check_dtype("gram", "features", features, {DType::f32, DType::bf16, DType::f64});
  check_dtype("gram", "gram", gram, {features.dtype == DType::f64 ? DType::f64 : DType::f32});
  backend.ops().products->gram(backend, features, gram);
}

}  // namespace cce::ops
