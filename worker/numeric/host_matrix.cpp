#include "worker/numeric/host_matrix.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "common/base/error.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

std::string shape_text(std::int64_t rows, std::int64_t cols) {
  return std::to_string(rows) + " x " + std::to_string(cols);
}

void expect_indices(std::span<const std::int32_t> indices, std::int64_t limit, std::string_view where) {
  for (const std::int32_t index : indices) {
    if (index < 0 || index >= limit) {
      throw Error{.code = ErrorCode::out_of_range,
                  .where = std::string(where),
                  .found = "index " + std::to_string(index),
                  .expected = "0 <= index < " + std::to_string(limit),
                  .remedy = "Pass indices of the matrix that is selected from"};
    }
  }
}

constexpr double dead_variance = 1e-24;
constexpr double dead_replacement = 1e-12;

}  // namespace

void expect_f64(ConstMatrix matrix, std::int64_t rows, std::int64_t cols, std::string_view where) {
  if (matrix.dtype == DType::f64 && matrix.rows == rows && matrix.cols == cols && matrix.stride >= cols) {
    return;
  }
  throw Error{.code = ErrorCode::shape_mismatch,
              .where = std::string(where),
              .found = std::string(name(matrix.dtype)) + " " + shape_text(matrix.rows, matrix.cols),
              .expected = "f64 " + shape_text(rows, cols),
              .remedy = "Pass matrices of one problem"};
}

OwnedMatrix copy_f64(Backend& backend, ConstMatrix source) {
  expect_f64(source, source.rows, source.cols, "copy_f64");
  OwnedMatrix copy = backend.matrix(DType::f64, source.rows, source.cols);
  ops::convert(backend, source, copy.view());
  return copy;
}

OwnedMatrix select_rows(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows) {
  expect_f64(source, source.rows, source.cols, "select_rows");
  expect_indices(rows, source.rows, "select_rows, rows");
  OwnedMatrix result = backend.matrix(DType::f64, static_cast<std::int64_t>(rows.size()), source.cols);
  if (!rows.empty()) {
    ops::gather(backend, source, rows, {}, result.view());
  }
  return result;
}

OwnedMatrix select_block(Backend& backend, ConstMatrix source, std::span<const std::int32_t> rows,
                         std::span<const std::int32_t> cols) {
  expect_f64(source, source.rows, source.cols, "select_block");
  expect_indices(rows, source.rows, "select_block, rows");
  expect_indices(cols, source.cols, "select_block, cols");
  OwnedMatrix result = backend.matrix(DType::f64, static_cast<std::int64_t>(rows.size()),
                                      static_cast<std::int64_t>(cols.size()));
  if (!rows.empty() && !cols.empty()) {
    ops::gather(backend, source, rows, cols, result.view());
  }
  return result;
}

double dot(const double* a, const double* b, std::int64_t count) {
  constexpr std::int64_t lanes = 8;
  double partial[lanes] = {};
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (std::int64_t lane = 0; lane < lanes; ++lane) {
      partial[lane] += a[i + lane] * b[i + lane];
    }
  }
  double sum = 0.0;
  for (; i < count; ++i) {
    sum += a[i] * b[i];
  }
  for (const double value : partial) {
    sum += value;
  }
  return sum;
}

double inner_product(Backend& backend, ConstMatrix a, ConstMatrix b) {
  expect_f64(a, a.rows, a.cols, "inner_product, a");
  expect_f64(b, a.rows, a.cols, "inner_product, b");
  const HostRead host_a(backend, a), host_b(backend, b);
  double sum = 0.0;
  for (std::int64_t i = 0; i < a.rows; ++i) {
    sum += dot(row_of(host_a.view(), i), row_of(host_b.view(), i), a.cols);
  }
  return sum;
}

std::vector<double> diagonal_of(Backend& backend, ConstMatrix square) {
  expect_f64(square, square.rows, square.rows, "diagonal");
  return host_values(backend, diagonal_view(square));
}

void set_diagonal(Backend& backend, Matrix square, std::span<const double> values) {
  expect_f64(square, static_cast<std::int64_t>(values.size()), static_cast<std::int64_t>(values.size()),
             "diagonal");
  if (!values.empty()) {
    backend.upload({values.data(), DType::f64, square.rows, 1, 1}, diagonal_view(square));
  }
}

double largest_of_diagonal(std::span<const double> diagonal) {
  double largest = 0.0;
  for (std::size_t i = 0; i < diagonal.size(); ++i) {
    const double value = diagonal[i];
    if (!std::isfinite(value)) {
      throw Error{.code = ErrorCode::not_positive_definite,
                  .where = "diagonal of a covariance",
                  .found = "an entry that is not finite, at row " + std::to_string(i),
                  .expected = "finite second moments",
                  .remedy = "Check the checkpoint's weights, or compute in f32"};
    }
    largest = std::max(largest, value);
  }
  return largest;
}

bool is_dead(double variance, double largest) {
  return !(variance > dead_variance * largest);
}

OwnedMatrix regularized_covariance(Backend& backend, ConstMatrix covariance, double ridge_lambda) {
  std::vector<double> diagonal = diagonal_of(backend, covariance);
  const double largest = largest_of_diagonal(diagonal);
  if (!(largest > 0.0)) {
    throw Error{.code = ErrorCode::not_positive_definite,
                .where = "covariance of a sub-block's features",
                .found = "no feature with a positive variance",
                .expected = "at least one",
                .remedy = "Check the calibration text and the checkpoint's weights"};
  }
  OwnedMatrix result = copy_f64(backend, covariance);
  for (double& value : diagonal) {
    value = is_dead(value, largest) ? dead_replacement * largest : value * (1.0 + ridge_lambda);
  }
  set_diagonal(backend, result.view(), diagonal);
  return result;
}

void cholesky_or_throw(Backend& backend, Matrix matrix, std::string_view where, std::string_view remedy) {
  if (const auto row = ops::cholesky(backend, matrix)) {
    throw Error{.code = ErrorCode::not_positive_definite,
                .where = std::string(where),
                .found = "pivot of row " + std::to_string(*row) + " is not positive",
                .expected = "a positive definite matrix",
                .remedy = std::string(remedy)};
  }
}

}  // namespace cce
