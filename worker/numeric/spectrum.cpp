#include "worker/numeric/spectrum.h"

#include <algorithm>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/numeric/counter_random.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t oversampling = 32;

std::vector<double> eigenvalues_in_place(Backend& backend, Matrix matrix, std::int64_t count) {
  OwnedMatrix values = backend.matrix(DType::f64, 1, matrix.rows);
  ops::eigenvalues_symmetric(backend, matrix, values.view());
  return host_values(backend, values.view().cols_from(0, std::min(count, matrix.rows)));
}

/// B ← L⁻¹ B with B Bᵀ = L Lᵀ (Cholesky QR, all matrix products); by Householder where that is not definite.
void orthonormalize_rows(Backend& backend, Matrix basis) {
  OwnedMatrix gram = backend.matrix(DType::f64, basis.rows, basis.rows);
  ops::multiply(backend, basis, Transpose::no, basis, Transpose::yes, gram.view());
  if (!ops::cholesky(backend, gram.view())) {
    ops::triangular_solve(backend, gram.view(), Transpose::no, basis);
    return;
  }
  OwnedMatrix columns = backend.matrix(DType::f64, basis.cols, basis.rows);
  ops::transpose(backend, basis, columns.view());
  ops::qr(backend, columns.view(), gram.view());
  ops::transpose(backend, columns.view(), basis);
}

[[noreturn]] void throw_range(const std::string& where, const std::string& found,
                              const std::string& expected) {
  throw Error{.code = ErrorCode::out_of_range,
              .where = where,
              .found = found,
              .expected = expected,
              .remedy = "Choose a value in this range"};
}

}  // namespace

std::vector<double> all_eigenvalues(Backend& backend, ConstMatrix matrix) {
  expect_f64(matrix, matrix.rows, matrix.rows, "eigenvalues");
  return eigenvalues_in_place(backend, copy_f64(backend, matrix).view(), matrix.rows);
}

std::vector<double> leading_eigenvalues(Backend& backend, ConstMatrix matrix, std::int64_t count,
                                        int iterations) {
  const std::int64_t n = matrix.rows;
  expect_f64(matrix, n, n, "leading eigenvalues");
  if (count < 1 || iterations < 1) {
    throw_range("leading eigenvalues", std::to_string(std::min<std::int64_t>(count, iterations)),
                "at least 1");
  }
  if (n <= 2 * count) {
    return eigenvalues_in_place(backend, copy_f64(backend, matrix).view(), count);
  }
  // The basis lies in rows: every product and solve below then runs along contiguous memory.
  const std::int64_t width = std::min(n, count + oversampling);
  OwnedMatrix basis = backend.matrix(DType::f64, width, n);
  OwnedMatrix image = backend.matrix(DType::f64, width, n);
  fill_normal(backend, CounterRandom(0, RandomStream::spectrum_basis), 1.0, basis.view());
  for (int i = 0; i < iterations; ++i) {
    ops::multiply(backend, basis.view(), Transpose::no, matrix, Transpose::no, image.view());
    std::swap(basis, image);
    orthonormalize_rows(backend, basis.view());
  }
  orthonormalize_rows(backend, basis.view());  // the second pass brings ‖B Bᵀ − I‖ down to rounding
  ops::multiply(backend, basis.view(), Transpose::no, matrix, Transpose::no, image.view());
  OwnedMatrix reduced = backend.matrix(DType::f64, width, width);
  ops::multiply(backend, basis.view(), Transpose::no, image.view(), Transpose::yes, reduced.view());
  return eigenvalues_in_place(backend, reduced.view(), count);
}

std::int64_t count_redundant(std::span<const double> eigenvalues, std::span<const double> singular_values,
                             double layer_largest_singular, double epsilon, double tau) {
  if (!(epsilon >= 0.0 && epsilon <= 1.0)) {
    throw_range("target.threshold.epsilon", std::to_string(epsilon), "0 to 1");
  }
  if (!(tau >= 0.0 && tau <= 1.0)) {
    throw_range("target.threshold.tau", std::to_string(tau), "0 to 1");
  }
  std::int64_t redundant = 0;
  for (std::size_t i = 0; i < eigenvalues.size(); ++i) {
    const double singular = i < singular_values.size() ? singular_values[i] : 0.0;
    const bool weak_variance = eigenvalues[i] < epsilon * eigenvalues[0];
    const bool weak_effect = singular < tau * layer_largest_singular;
    redundant += weak_variance && weak_effect ? 1 : 0;
  }
  return redundant;
}

}  // namespace cce
