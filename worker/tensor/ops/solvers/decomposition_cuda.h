#pragma once
#include "worker/tensor/cuda/cuda_backend.h"

/// The half of the solvers that decomposition_cuda.cu computes.
namespace cce::cuda_ops {

void eigen_symmetric(CudaBackend& cuda, Matrix a, Matrix values);
void eigenvalues_symmetric(CudaBackend& cuda, Matrix a, Matrix values);
void singular_values(CudaBackend& cuda, Matrix a, Matrix u, Matrix values, Matrix v_transposed);
void qr(CudaBackend& cuda, Matrix a, Matrix r);

}  // namespace cce::cuda_ops
