#include "worker/passes/allocate.h"

namespace cce {
namespace {

DType dtype_of(const Backend& backend, DType compute_dtype, cost::Value value) {
  switch (value) {
    case cost::Value::f32:
      return DType::f32;
    case cost::Value::f64:
      return DType::f64;
    case cost::Value::compute:
      return compute_dtype;
    case cost::Value::kept_sum:
      break;
  }
  return backend.kept_sum_dtype();
}

}  // namespace

OwnedMatrix allocate(Backend& backend, DType compute_dtype, const cost::MatrixSize& size) {
  return backend.matrix(dtype_of(backend, compute_dtype, size.value), size.rows, size.cols);
}

std::vector<OwnedMatrix> allocate_each(Backend& backend, DType compute_dtype, const cost::MatrixSize& size) {
  std::vector<OwnedMatrix> matrices;
  for (std::int64_t i = 0; i < size.count; ++i) {
    matrices.push_back(allocate(backend, compute_dtype, size));
  }
  return matrices;
}

}  // namespace cce
