#include <cuda_runtime.h>

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "worker/tensor/cuda/cuda_backend.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_launch.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/selections/selection_ops.h"
#include "worker/tensor/ops/solvers/decomposition_cuda.h"
#include "worker/tensor/ops/solvers/solver_layout.cuh"
#include "worker/tensor/ops/solvers/solver_ops.h"

// cuBLAS and cuSOLVER are column-major: a row-major matrix is the transpose of what they see, its lower
// triangle their upper one. Cholesky, triangular and symmetric problems are asked for in those terms, so
// nothing is turned.
namespace cce {
namespace cuda_ops {
namespace {

using namespace cuda_kernels;

/// Waits for the stream and reads one value.
template <typename T>
T read_value(cudaStream_t stream, const void* device, const char* operation) {
  T value{};
  check_cuda(cudaMemcpyAsync(&value, device, sizeof(T), cudaMemcpyDeviceToHost, stream), operation);
  check_cuda(cudaStreamSynchronize(stream), operation);
  return value;
}

/// The first row whose diagonal element is not a finite number above 0.
std::optional<std::int64_t> bad_pivot(CudaBackend& backend, ConstMatrix a, const char* operation) {
  const Buffer first = backend.allocate(sizeof(std::int64_t));
  launch(operation, backend.stream(), {.blocks = dim3(1), .threads = dim3(32)}, find_bad_pivot<double>,
         a.as<double>(), a.rows, a.stride, static_cast<std::int64_t*>(first.data()));
  const auto row = read_value<std::int64_t>(backend.stream(), first.data(), operation);
  return row < a.rows ? std::optional(row) : std::nullopt;
}

/// B ← op(L)⁻¹ B by cuBLAS, which sees X op(U) = B with U = Lᵀ.
void solve_triangle(cublasHandle_t blas, ConstMatrix lower, Transpose transpose, Matrix right_side,
                    const char* operation) {
  const double one = 1.0;
  check_cublas(cublasDtrsm_64(blas, CUBLAS_SIDE_RIGHT, CUBLAS_FILL_MODE_UPPER,
                              transpose == Transpose::yes ? CUBLAS_OP_T : CUBLAS_OP_N, CUBLAS_DIAG_NON_UNIT,
                              right_side.cols, right_side.rows, &one, lower.as<double>(), lower.stride,
                              right_side.as<double>(), right_side.stride),
               operation);
}

}  // namespace

std::optional<std::int64_t> cholesky(CudaBackend& cuda, Matrix a) {
  constexpr const char* operation = "cholesky";
  if (a.empty()) {
    return std::nullopt;
  }
  const cusolverDnParams_t parameters = cuda.solver().parameters();
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  check_cusolver(
      cusolverDnXpotrf_bufferSize(cuda.solver(), parameters, CUBLAS_FILL_MODE_UPPER, a.rows, CUDA_R_64F,
                                  a.data, a.stride, CUDA_R_64F, &device_bytes, &host_bytes),
      operation);
  const Buffer device_work = cuda.allocate(device_bytes), info = cuda.allocate(sizeof(int));
  std::vector<std::byte> host_work(host_bytes);
  check_cusolver(cusolverDnXpotrf(cuda.solver(), parameters, CUBLAS_FILL_MODE_UPPER, a.rows, CUDA_R_64F,
                                  a.data, a.stride, CUDA_R_64F, device_work.data(), device_bytes,
                                  host_work.data(), host_bytes, static_cast<int*>(info.data())),
                 operation);
  if (const int pivot = read_value<int>(cuda.stream(), info.data(), operation); pivot > 0) {
    return pivot - 1;
  }
  launch(operation, cuda.stream(), covering(a.rows * a.cols), clear_strict_upper<double>, a.as<double>(),
         a.rows, a.stride);
  return bad_pivot(cuda, a, operation);
}

void triangular_solve(CudaBackend& cuda, ConstMatrix lower, Transpose transpose, Matrix right_side) {
  if (!right_side.empty()) {
    solve_triangle(cuda.blas(), lower, transpose, right_side, "triangular_solve");
  }
}

void cholesky_solve(CudaBackend& cuda, ConstMatrix factor, Matrix right_side) {
  if (!right_side.empty()) {  // two triangles, because cuSOLVER's potrs wants the right side turned
    solve_triangle(cuda.blas(), factor, Transpose::no, right_side, "cholesky_solve");
    solve_triangle(cuda.blas(), factor, Transpose::yes, right_side, "cholesky_solve");
  }
}

void cholesky_inverse(CudaBackend& cuda, Matrix factor) {
  constexpr const char* operation = "cholesky_inverse";
  if (factor.empty()) {
    return;
  }
  if (const auto row = bad_pivot(cuda, factor, operation)) {
    throw Error{.code = ErrorCode::not_positive_definite,
                .where = operation,
                .found = "no positive number on the factor's diagonal, row " + std::to_string(*row),
                .expected = "a factor from cholesky",
                .remedy = {}};
  }
  // A⁻¹ = Wᵀ W with W = L⁻¹: symmetric whatever is rounded.
  const std::int64_t n = factor.rows;
  OwnedMatrix inverse = cuda.matrix(DType::f64, n, n);
  launch(operation, cuda.stream(), covering(n * n), set_identity<double>, inverse.as<double>(), n, n);
  solve_triangle(cuda.blas(), factor, Transpose::no, inverse.view(), operation);
  const double one = 1.0, zero = 0.0;
  check_cublas(cublasDsyrk_64(cuda.blas(), CUBLAS_FILL_MODE_UPPER, CUBLAS_OP_N, n, n, &one,
                              inverse.as<double>(), n, &zero, factor.as<double>(), factor.stride),
               operation);
  launch(operation, cuda.stream(), covering(n * n), mirror_lower<double>, factor.as<double>(), n,
         factor.stride);
}

}  // namespace cuda_ops

const SolverOps& cuda_solver_ops() {
  static constexpr SolverOps table{
      .cholesky = OpEntry<CudaBackend, cuda_ops::cholesky>::call,
      .cholesky_solve = OpEntry<CudaBackend, cuda_ops::cholesky_solve>::call,
      .cholesky_inverse = OpEntry<CudaBackend, cuda_ops::cholesky_inverse>::call,
      .triangular_solve = OpEntry<CudaBackend, cuda_ops::triangular_solve>::call,
      .eigen_symmetric = OpEntry<CudaBackend, cuda_ops::eigen_symmetric>::call,
      .eigenvalues_symmetric = OpEntry<CudaBackend, cuda_ops::eigenvalues_symmetric>::call,
      .singular_values = OpEntry<CudaBackend, cuda_ops::singular_values>::call,
      .qr = OpEntry<CudaBackend, cuda_ops::qr>::call};
  return table;
}

}  // namespace cce
