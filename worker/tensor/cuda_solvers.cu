#include <cuda_runtime.h>

#include <algorithm>
#include <string>

#include "common/base/error.h"
#include "worker/tensor/cuda_backend.h"
#include "worker/tensor/cuda_error.h"
#include "worker/tensor/cuda_launch.h"
#include "worker/tensor/kernels_cuda/solver_layout.cuh"
#include "worker/tensor/shape_checks.h"

// cuBLAS and cuSOLVER are column-major: a row-major matrix is the transpose of what they see, its lower
// triangle their upper one. Cholesky, triangular and symmetric problems are asked for in those terms, so
// nothing is turned.
namespace cce {
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

std::optional<std::int64_t> CudaBackend::cholesky(Matrix a) {
  constexpr const char* operation = "cholesky";
  check_square(operation, "a", a);
  if (a.empty()) {
    return std::nullopt;
  }
  const cusolverDnParams_t parameters = solver_.parameters();
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  check_cusolver(cusolverDnXpotrf_bufferSize(solver_, parameters, CUBLAS_FILL_MODE_UPPER, a.rows, CUDA_R_64F,
                                             a.data, a.stride, CUDA_R_64F, &device_bytes, &host_bytes),
                 operation);
  const Buffer device_work = allocate(device_bytes), info = allocate(sizeof(int));
  std::vector<std::byte> host_work(host_bytes);
  check_cusolver(cusolverDnXpotrf(solver_, parameters, CUBLAS_FILL_MODE_UPPER, a.rows, CUDA_R_64F, a.data,
                                  a.stride, CUDA_R_64F, device_work.data(), device_bytes, host_work.data(),
                                  host_bytes, static_cast<int*>(info.data())),
                 operation);
  if (const int pivot = read_value<int>(stream_, info.data(), operation); pivot > 0) {
    return pivot - 1;
  }
  launch(operation, stream_, covering(a.rows * a.cols), clear_strict_upper<double>, a.as<double>(), a.rows,
         a.stride);
  return bad_pivot(*this, a, operation);
}

void CudaBackend::triangular_solve(ConstMatrix lower, Transpose transpose, Matrix right_side) {
  check_triangle("triangular_solve", "lower", lower, right_side);
  if (!right_side.empty()) {
    solve_triangle(blas_, lower, transpose, right_side, "triangular_solve");
  }
}

void CudaBackend::cholesky_solve(ConstMatrix factor, Matrix right_side) {
  check_triangle("cholesky_solve", "factor", factor, right_side);
  if (!right_side.empty()) {  // two triangles, because cuSOLVER's potrs wants the right side turned
    solve_triangle(blas_, factor, Transpose::no, right_side, "cholesky_solve");
    solve_triangle(blas_, factor, Transpose::yes, right_side, "cholesky_solve");
  }
}

void CudaBackend::cholesky_inverse(Matrix factor) {
  constexpr const char* operation = "cholesky_inverse";
  check_square(operation, "factor", factor);
  if (factor.empty()) {
    return;
  }
  if (const auto row = bad_pivot(*this, factor, operation)) {
    throw Error{.code = ErrorCode::not_positive_definite,
                .where = operation,
                .found = "no positive number on the factor's diagonal, row " + std::to_string(*row),
                .expected = "a factor from cholesky",
                .remedy = {}};
  }
  // A⁻¹ = Wᵀ W with W = L⁻¹: symmetric whatever is rounded.
  const std::int64_t n = factor.rows;
  OwnedMatrix inverse = matrix(DType::f64, n, n);
  launch(operation, stream_, covering(n * n), set_identity<double>, inverse.as<double>(), n, n);
  solve_triangle(blas_, factor, Transpose::no, inverse.view(), operation);
  const double one = 1.0, zero = 0.0;
  check_cublas(cublasDsyrk_64(blas_, CUBLAS_FILL_MODE_UPPER, CUBLAS_OP_N, n, n, &one, inverse.as<double>(), n,
                              &zero, factor.as<double>(), factor.stride),
               operation);
  launch(operation, stream_, covering(n * n), mirror_lower<double>, factor.as<double>(), n, factor.stride);
}

}  // namespace cce
