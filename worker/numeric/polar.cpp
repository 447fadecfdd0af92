#include "worker/numeric/polar.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr double smallest_expected = 1e-3;  ///< singular value of X that the scaling is made for
constexpr double smallest_counted = 1e-7;

/// A matrix as an operand of products: in f32, or as its two bf16 halves.
class Factor {
 public:
  Factor(Backend& backend, DType product_dtype, std::int64_t rows, std::int64_t cols)
      : backend_(backend), high_(backend.matrix(product_dtype, rows, cols)) {
    if (product_dtype == DType::bf16) {
      rest_ = backend.matrix(DType::f32, rows, cols);
      low_ = backend.matrix(DType::bf16, rows, cols);
    }
  }
  void set(ConstMatrix source) {
    ops::convert(backend_, source, high_.view());
    if (low_.rows() == 0) return;
    ops::convert(backend_, source, rest_.view());
    ops::add(backend_, high_.view(), rest_.view(), -1.0);
    ops::convert(backend_, rest_.view(), low_.view());
  }
  ConstMatrix high() const { return high_.view(); }
  ConstMatrix low() const { return low_.view(); }  ///< empty in f32

 private:
  Backend& backend_;
  OwnedMatrix high_, low_, rest_;
};

/// C ← α op(A) op(B) + β C; low × low is left out.
void multiply(Backend& backend, const Factor& a, Transpose transpose_a, const Factor& b,
              Transpose transpose_b, Matrix c, double alpha, double beta) {
  ops::multiply(backend, a.high(), transpose_a, b.high(), transpose_b, c, alpha, beta);
  if (a.low().empty()) return;
  ops::multiply(backend, a.high(), transpose_a, b.low(), transpose_b, c, alpha, 1.0);
  ops::multiply(backend, a.low(), transpose_a, b.high(), transpose_b, c, alpha, 1.0);
}

/// Newton-Schulz on one matrix, its Gram matrix on the smaller side.
class Iteration {
 public:
  Iteration(Backend& backend, ConstMatrix weights, DType product_dtype)
      : backend_(backend),
        tall_(weights.rows >= weights.cols),
        side_(std::min(weights.rows, weights.cols)),
        x_(backend.matrix(DType::f32, weights.rows, weights.cols)),
        factor_(backend, product_dtype, weights.rows, weights.cols),
        residual_(backend.matrix(DType::f32, side_, side_)),
        residual_factor_(backend, product_dtype, side_, side_),
        identity_(backend.matrix(DType::f32, side_, side_)) {
    std::vector<float> host(static_cast<std::size_t>(side_ * side_), 0.0f);
    for (std::int64_t i = 0; i < side_; ++i) host[static_cast<std::size_t>(i * side_ + i)] = 1.0f;
    backend.upload({host.data(), DType::f32, side_, side_, side_}, identity_.view());
    set(weights, 1.0);
  }

  /// X ← factor weights
  void set(ConstMatrix weights, double factor) {
    backend_.fill_zero(x_.view());
    ops::add(backend_, weights, x_.view(), factor);
  }
  /// ‖XᵀX‖_F
  double gram_norm() {
    make_gram();
    return std::sqrt(ops::inner_product(backend_, residual_.view(), residual_.view()));
  }
  /// residual ← XᵀX − I. Returns its norm over √side.
  double make_residual() {
    make_gram();
    ops::add(backend_, identity_.view(), residual_.view(), -1.0);
    return std::sqrt(ops::inner_product(backend_, residual_.view(), residual_.view()) /
                     static_cast<double>(side_));
  }
  /// X ← ½ α X (3 I − α² XᵀX), as 3α / 2 X − α³ / 2 X (XᵀX) far from the end and as (3α − α³) / 2 X − α³ / 2
  /// X (XᵀX − I) near it: the matrix that is rounded for the product is the small one, and so is its error.
  void step(double alpha, bool near_end) {
    const double cube = alpha * alpha * alpha;
    const double kept = (near_end ? 3.0 * alpha - cube : 3.0 * alpha) / 2.0;
    if (!near_end) ops::add(backend_, identity_.view(), residual_.view());
    residual_factor_.set(residual_.view());
    if (tall_) {
      multiply(backend_, factor_, Transpose::no, residual_factor_, Transpose::no, x_.view(), -cube / 2.0,
               kept);
    } else {
      multiply(backend_, residual_factor_, Transpose::no, factor_, Transpose::no, x_.view(), -cube / 2.0,
               kept);
    }
  }
  OwnedMatrix take() { return std::move(x_); }

 private:
  /// residual ← XᵀX (XXᵀ of a wide X); factor ← X.
  void make_gram() {
    factor_.set(x_.view());
    const Transpose left = tall_ ? Transpose::yes : Transpose::no,
                    right = tall_ ? Transpose::no : Transpose::yes;
    multiply(backend_, factor_, left, factor_, right, residual_.view(), 1.0, 0.0);
  }

  Backend& backend_;
  bool tall_;
  std::int64_t side_;
  OwnedMatrix x_;
  Factor factor_;
  OwnedMatrix residual_;
  Factor residual_factor_;
  OwnedMatrix identity_;
};

/// Step 3.
OwnedMatrix polar_by_eigen(Backend& backend, ConstMatrix weights) {
  const bool tall = weights.rows >= weights.cols;
  const std::int64_t side = std::min(weights.rows, weights.cols);
  OwnedMatrix w = backend.matrix(DType::f64, weights.rows, weights.cols);
  ops::convert(backend, weights, w.view());
  OwnedMatrix vectors = backend.zeros(DType::f64, side, side), values = backend.matrix(DType::f64, 1, side);
  if (tall) {
    ops::gram(backend, w.view(), vectors.view());
  } else {
    ops::multiply(backend, w.view(), Transpose::no, w.view(), Transpose::yes, vectors.view());
  }
  ops::eigen_symmetric(backend, vectors.view(), values.view());
  const std::vector<double> squares = host_values(backend, values.view());
  const double cutoff = smallest_counted * smallest_counted * squares.front();
  OwnedMatrix scaled = copy_f64(backend, vectors.view());
  HostEdit host(backend, scaled.view());
  for (std::int64_t i = 0; i < side; ++i) {
    double* const row = row_of(host.view(), i);
    for (std::size_t j = 0; j < squares.size(); ++j) {
      row[j] *= squares[j] > cutoff && squares[j] > 0.0 ? 1.0 / std::sqrt(squares[j]) : 0.0;
    }
  }
  host.write_back();
  OwnedMatrix root = backend.matrix(DType::f64, side, side);  // V Λ^-½ Vᵀ
  ops::multiply(backend, scaled.view(), Transpose::no, vectors.view(), Transpose::yes, root.view());
  OwnedMatrix product = backend.matrix(DType::f64, weights.rows, weights.cols);
  if (tall) {
    ops::multiply(backend, w.view(), Transpose::no, root.view(), Transpose::no, product.view());
  } else {
    ops::multiply(backend, root.view(), Transpose::no, w.view(), Transpose::no, product.view());
  }
  OwnedMatrix result = backend.matrix(DType::f32, weights.rows, weights.cols);
  ops::convert(backend, product.view(), result.view());
  return result;
}

}  // namespace

PolarFactor polar_factor(Backend& backend, ConstMatrix weights, const PolarOptions& options) {
  if (weights.empty()) return {};
  if (weights.dtype != DType::f32 && weights.dtype != DType::bf16) {
    throw Error{.code = ErrorCode::unsupported,
                .where = "polar factor, weights",
                .found = std::string(name(weights.dtype)),
                .expected = "f32 or bf16",
                .remedy = "Pass the master weights"};
  }
  PolarFactor result;
  Iteration iteration(backend, weights, options.product_dtype);
  // 1. Scaled so that no singular value exceeds 1.
  const double square = iteration.gram_norm();
  if (!std::isfinite(square)) {
    throw Error{.code = ErrorCode::not_converged,
                .where = "polar factor",
                .found = "a matrix whose Gram matrix has norm " + std::to_string(square),
                .expected = "finite weights",
                .remedy = "Lower the learning rate"};
  }
  if (square == 0.0) {
    result.factor = iteration.take();
    backend.fill_zero(result.factor.view());
    return result;
  }
  iteration.set(weights, 1.0 / std::sqrt(square));
  // 2. Scaled Newton-Schulz.
  double smallest = smallest_expected;
  for (; result.steps < options.largest_step_count; ++result.steps) {
    const double residual = iteration.make_residual();
    if (residual <= options.tolerance) {
      result.factor = iteration.take();
      return result;
    }
    const double alpha = std::sqrt(3.0 / (1.0 + smallest + smallest * smallest));
    iteration.step(alpha, residual < 0.5);
    smallest = alpha * smallest * (3.0 - alpha * alpha * smallest * smallest) / 2.0;
  }
  // 3. Eigenvectors, for a matrix of any rank.
  result.factor = polar_by_eigen(backend, weights);
  result.by_eigen = true;
  return result;
}

}  // namespace cce
