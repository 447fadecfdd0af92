#include "worker/tensor/cuda/cuda_kernel_device.h"
#include "worker/tensor/ops/products/product_cuda.h"

namespace cce {
namespace {

cublasOperation_t operation_of(Transpose transpose) {
  return transpose == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N;
}

cudaDataType_t data_type(DType dtype) {
  return dtype == DType::f64 ? CUDA_R_64F : dtype == DType::f32 ? CUDA_R_32F : CUDA_R_16BF;
}

/// Elements from one row to the next; of a single row, which may have any stride, what cuBLAS accepts.
std::int64_t leading_dimension(const ConstMatrix& matrix) {
  return std::max(matrix.stride, std::max<std::int64_t>(matrix.cols, 1));
}

/// f32 stays f32 unless TF32 is asked for: its ten bits do not meet the tolerances that other backends meet.
cublasComputeType_t compute_type(const ConstMatrix& factor, bool tf32) {
  if (factor.dtype == DType::f64) {
    return CUBLAS_COMPUTE_64F;
  }
  return tf32 && factor.dtype == DType::f32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/// cuBLAS knows column-major matrices: the same memory read so is the transpose, and Cᵀ = op(B)ᵀ op(A)ᵀ.
void multiply_on_cublas(cublasHandle_t handle, cublasComputeType_t compute, ConstMatrix a,
                        Transpose transpose_a, ConstMatrix b, Transpose transpose_b, Matrix c,
                        std::int64_t depth, double alpha, double beta) {
  const bool wide = c.dtype == DType::f64;
  const float alpha_single = static_cast<float>(alpha), beta_single = static_cast<float>(beta);
  const void* alpha_of_type = wide ? static_cast<const void*>(&alpha) : &alpha_single;
  const void* beta_of_type = wide ? static_cast<const void*>(&beta) : &beta_single;
  check_cublas(cublasGemmEx_64(handle, operation_of(transpose_b), operation_of(transpose_a), c.cols, c.rows,
                               depth, alpha_of_type, b.data, data_type(b.dtype), leading_dimension(b), a.data,
                               data_type(a.dtype), leading_dimension(a), beta_of_type, c.data,
                               data_type(c.dtype), leading_dimension(c), compute, CUBLAS_GEMM_DEFAULT),
               "multiply");
}

void multiply(Backend& backend, ConstMatrix a, Transpose transpose_a, ConstMatrix b, Transpose transpose_b,
              Matrix c, double alpha, double beta) {
  auto& cuda = static_cast<CudaBackend&>(backend);
  cuda_kernels::multiply_by(CudaKernelDevice(backend, "multiply"), a, transpose_a, c, alpha, beta,
                            [&](std::int64_t depth) {
                              multiply_on_cublas(cuda.blas(), compute_type(a, cuda.options().tf32), a,
                                                 transpose_a, b, transpose_b, c, depth, alpha, beta);
                            });
}

}  // namespace

const ProductOps& cuda_product_ops() {
  static constexpr ProductOps table{.multiply = multiply, .gram = cuda_kernels::gram<CudaKernelDevice>};
  return table;
}

}  // namespace cce
