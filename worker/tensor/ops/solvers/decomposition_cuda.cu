#include <cuda_runtime.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "common/base/error.h"
#include "worker/tensor/cuda/cuda_backend.h"
#include "worker/tensor/cuda/cuda_error.h"
#include "worker/tensor/cuda/cuda_launch.h"
#include "worker/tensor/ops/entry.h"
#include "worker/tensor/ops/selections/selection_ops.h"
#include "worker/tensor/ops/solvers/decomposition_cuda.h"
#include "worker/tensor/ops/solvers/solver_layout.cuh"
#include "worker/tensor/ops/solvers/solver_ops.h"

// Spectra and orthogonal factors by cuSOLVER's 64-bit functions. They are column-major: a row-major matrix is
// the transpose of what they see.
namespace cce {
namespace cuda_ops {
namespace {

using namespace cuda_kernels;

/// One problem's scratch and status, on the device and on the host.
class SolverRun {
 public:
  SolverRun(CudaBackend& backend, const char* operation)
      : backend_(backend), operation_(operation), info_(backend.allocate(2 * sizeof(int))) {
    check_cuda(cudaMemsetAsync(info_.data(), 0, info_.bytes(), backend.stream()), operation);
  }

  /// Room for the sizes that a ..._bufferSize call wrote.
  std::size_t device_bytes = 0;
  std::size_t host_bytes = 0;
  void make_room() {
    device_work_ = backend_.allocate(device_bytes);
    host_work_.resize(host_bytes);
  }
  void* device_work() const { return device_work_.data(); }
  void* host_work() { return host_work_.data(); }
  int* info() const { return static_cast<int*>(info_.data()); }

  void check(cusolverStatus_t status) const { check_cusolver(status, operation_); }

  /// Errors: not_converged for an element that is not finite: the solvers may not come back from one.
  void check_finite(ConstMatrix a) const {
    launch(operation_, backend_.stream(), covering(a.rows * a.cols), flag_not_finite<double>, a.as<double>(),
           a.rows, a.cols, a.stride, info() + 1);
    if (read_info()[1] != 0) {
      refuse("a matrix with elements that are not finite",
             "Check the calibration text and the checkpoint's weights");
    }
  }
  /// Errors: not_converged unless the solver's own status is 0.
  void check_converged() const {
    if (const int status = read_info()[0]; status != 0) {
      refuse("cuSOLVER info " + std::to_string(status), "Check that the matrix is of reasonable scale");
    }
  }

 private:
  std::array<int, 2> read_info() const {
    std::array<int, 2> values{};
    check_cuda(cudaMemcpyAsync(values.data(), info_.data(), sizeof(values), cudaMemcpyDeviceToHost,
                               backend_.stream()),
               operation_);
    check_cuda(cudaStreamSynchronize(backend_.stream()), operation_);
    return values;
  }
  [[noreturn]] void refuse(std::string found, std::string remedy) const {
    throw Error{.code = ErrorCode::not_converged,
                .where = operation_,
                .found = std::move(found),
                .expected = {},
                .remedy = std::move(remedy)};
  }

  CudaBackend& backend_;
  const char* operation_;
  Buffer info_;
  Buffer device_work_;
  std::vector<std::byte> host_work_;
};

/// The symmetric problem in place: eigenvectors as rows, values ascending.
void solve_symmetric(CudaBackend& backend, const CusolverHandle& solver, cusolverEigMode_t mode, Matrix a,
                     Matrix values, const char* operation) {
  SolverRun run(backend, operation);
  run.check_finite(a);
  run.check(cusolverDnXsyevd_bufferSize(solver, solver.parameters(), mode, CUBLAS_FILL_MODE_UPPER, a.rows,
                                        CUDA_R_64F, a.data, a.stride, CUDA_R_64F, values.data, CUDA_R_64F,
                                        &run.device_bytes, &run.host_bytes));
  run.make_room();
  run.check(cusolverDnXsyevd(solver, solver.parameters(), mode, CUBLAS_FILL_MODE_UPPER, a.rows, CUDA_R_64F,
                             a.data, a.stride, CUDA_R_64F, values.data, CUDA_R_64F, run.device_work(),
                             run.device_bytes, run.host_work(), run.host_bytes, run.info()));
  run.check_converged();
}

/// M = U Σ Vᵀ thin of the column-major M (height × width, height ≥ width) at `m`.
struct ColumnMajorSvd {
  std::int64_t height, width;
  Matrix m, u, v_transposed;  ///< only data and stride are read
};
void solve_singular(CudaBackend& backend, const CusolverHandle& solver, const ColumnMajorSvd& problem,
                    Matrix values) {
  SolverRun run(backend, "singular_values");
  run.check_finite({problem.m.data, DType::f64, problem.width, problem.height, problem.m.stride});
  run.check(cusolverDnXgesvd_bufferSize(solver, solver.parameters(), 'S', 'S', problem.height, problem.width,
                                        CUDA_R_64F, problem.m.data, problem.m.stride, CUDA_R_64F, values.data,
                                        CUDA_R_64F, problem.u.data, problem.u.stride, CUDA_R_64F,
                                        problem.v_transposed.data, problem.v_transposed.stride, CUDA_R_64F,
                                        &run.device_bytes, &run.host_bytes));
  run.make_room();
  run.check(cusolverDnXgesvd(solver, solver.parameters(), 'S', 'S', problem.height, problem.width, CUDA_R_64F,
                             problem.m.data, problem.m.stride, CUDA_R_64F, values.data, CUDA_R_64F,
                             problem.u.data, problem.u.stride, CUDA_R_64F, problem.v_transposed.data,
                             problem.v_transposed.stride, CUDA_R_64F, run.device_work(), run.device_bytes,
                             run.host_work(), run.host_bytes, run.info()));
  run.check_converged();
}

}  // namespace

void eigen_symmetric(CudaBackend& cuda, Matrix a, Matrix values) {
  constexpr const char* operation = "eigen_symmetric";
  if (a.empty()) {
    return;
  }
  solve_symmetric(cuda, cuda.solver(), CUSOLVER_EIG_MODE_VECTOR, a, values, operation);
  launch(operation, cuda.stream(), covering(a.rows * a.cols), turn_rows_to_columns<double>, a.as<double>(),
         a.rows, a.stride);
  launch(operation, cuda.stream(), covering(values.cols), reverse_values<double>, values.as<double>(),
         values.cols);
}

void eigenvalues_symmetric(CudaBackend& cuda, Matrix a, Matrix values) {
  constexpr const char* operation = "eigenvalues_symmetric";
  if (a.empty()) {
    return;
  }
  solve_symmetric(cuda, cuda.solver(), CUSOLVER_EIG_MODE_NOVECTOR, a, values, operation);
  launch(operation, cuda.stream(), covering(values.cols), reverse_values<double>, values.as<double>(),
         values.cols);
}

void singular_values(CudaBackend& cuda, Matrix a, Matrix u, Matrix values, Matrix v_transposed) {
  if (a.empty()) {
    return;
  }
  // Seen column-major, a is Aᵀ = V Σ Uᵀ. cuSOLVER wants at least as many rows as columns.
  if (a.cols >= a.rows) {
    solve_singular(cuda, cuda.solver(), {a.cols, a.rows, a, v_transposed, u}, values);
    return;
  }
  // Else A itself, by turning the memory; its factors then come back turned.
  OwnedMatrix turned = cuda.matrix(DType::f64, a.cols, a.rows),
              left = cuda.matrix(DType::f64, a.cols, a.rows), right = cuda.matrix(DType::f64, a.cols, a.cols);
  ops::transpose(cuda, a, turned.view());
  solve_singular(cuda, cuda.solver(), {a.rows, a.cols, turned.view(), left.view(), right.view()}, values);
  ops::transpose(cuda, left.view(), u);
  ops::transpose(cuda, right.view(), v_transposed);
}

void qr(CudaBackend& cuda, Matrix a, Matrix r) {
  constexpr const char* operation = "qr";
  if (a.empty()) {
    return;
  }
  // cuSOLVER has no factorisation of the transpose, so A is turned once before and once after.
  SolverRun run(cuda, operation);
  run.check_finite(a);
  OwnedMatrix columns = cuda.matrix(DType::f64, a.cols, a.rows), scales = cuda.matrix(DType::f64, 1, a.cols);
  ops::transpose(cuda, a, columns.view());
  run.check(cusolverDnXgeqrf_bufferSize(cuda.solver(), cuda.solver().parameters(), a.rows, a.cols, CUDA_R_64F,
                                        columns.as<double>(), a.rows, CUDA_R_64F, scales.as<double>(),
                                        CUDA_R_64F, &run.device_bytes, &run.host_bytes));
  run.make_room();
  run.check(cusolverDnXgeqrf(cuda.solver(), cuda.solver().parameters(), a.rows, a.cols, CUDA_R_64F,
                             columns.as<double>(), a.rows, CUDA_R_64F, scales.as<double>(), CUDA_R_64F,
                             run.device_work(), run.device_bytes, run.host_work(), run.host_bytes,
                             run.info()));
  run.check_converged();
  launch(operation, cuda.stream(), covering(r.rows * r.cols), take_upper<double>, columns.as<double>(),
         a.rows, r.as<double>(), r.rows, r.stride);
  // The reflectors become Q. This function alone has no 64-bit form.
  constexpr std::int64_t largest = 2147483647;
  if (a.rows > largest || a.cols > largest) {
    throw Error{.code = ErrorCode::unsupported,
                .where = operation,
                .found = std::to_string(a.rows) + " x " + std::to_string(a.cols),
                .expected = "sides below 2^31",
                .remedy = {}};
  }
  const int m = static_cast<int>(a.rows), n = static_cast<int>(a.cols);
  int work_elements = 0;
  run.check(cusolverDnDorgqr_bufferSize(cuda.solver(), m, n, n, columns.as<double>(), m, scales.as<double>(),
                                        &work_elements));
  const Buffer work = cuda.allocate(static_cast<std::size_t>(work_elements) * sizeof(double));
  run.check(cusolverDnDorgqr(cuda.solver(), m, n, n, columns.as<double>(), m, scales.as<double>(),
                             static_cast<double*>(work.data()), work_elements, run.info()));
  run.check_converged();
  ops::transpose(cuda, columns.view(), a);
}

}  // namespace cuda_ops
}  // namespace cce
