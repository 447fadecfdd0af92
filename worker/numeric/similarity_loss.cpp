#include "worker/numeric/similarity_loss.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void add_row(Matrix target, std::int64_t to, double factor, ConstMatrix source, std::int64_t from) {
  const double* in = row_of(source, from);
  double* out = row_of(target, to);
  for (std::int64_t i = 0; i < source.cols; ++i) out[i] += factor * in[i];
}

void check_members(std::span<const std::vector<std::int32_t>> clusters, std::int64_t count) {
  for (const auto& cluster : clusters) {
    for (const std::int32_t member : cluster) {
      if (member >= 0 && member < count) continue;
      throw Error{.code = ErrorCode::out_of_range,
                  .where = "similarity loss, clusters",
                  .found = std::to_string(member),
                  .expected = "below the " + std::to_string(count) + " signatures",
                  .remedy = "Pass the clusters of these signatures"};
    }
  }
}

std::int64_t count_pairs(std::span<const std::vector<std::int32_t>> clusters) {
  std::int64_t pairs = 0;
  for (const auto& cluster : clusters) pairs += std::ssize(cluster) * (std::ssize(cluster) - 1) / 2;
  return pairs;
}

/// A view of contiguous memory as another shape of as many elements.
template <typename View>
View reshaped(View row, std::int64_t rows, std::int64_t cols) {
  row.rows = rows;
  row.cols = row.stride = cols;
  return row;
}

}  // namespace

double similarity_loss(ConstMatrix signatures, std::span<const std::vector<std::int32_t>> clusters,
                       Matrix d_signatures) {
  expect_f64(signatures, signatures.rows, signatures.cols, "similarity loss, signatures");
  check_members(clusters, signatures.rows);
  const bool with_gradient = !d_signatures.empty();
  if (with_gradient) {
    expect_f64(d_signatures, signatures.rows, signatures.cols, "similarity loss, gradient");
    for (std::int64_t i = 0; i < d_signatures.rows; ++i) {
      std::fill_n(row_of(d_signatures, i), d_signatures.cols, 0.0);
    }
  }
  const std::int64_t pairs = count_pairs(clusters);
  if (pairs == 0) return 0.0;
  double total = 0.0;
  for (const auto& cluster : clusters) {
    for (const std::int32_t i : cluster) {
      const double own = std::sqrt(dot(row_of(signatures, i), row_of(signatures, i), signatures.cols));
      double along = 0.0;  // of K_i in its own gradient
      for (const std::int32_t j : cluster) {
        const double other = std::sqrt(dot(row_of(signatures, j), row_of(signatures, j), signatures.cols));
        if (j == i || own == 0.0 || other == 0.0) continue;
        const double similarity =
            dot(row_of(signatures, i), row_of(signatures, j), signatures.cols) / (own * other);
        if (i < j) total += similarity * similarity;
        // ∂S/∂K_i = K_j / (‖K_i‖ ‖K_j‖) − S K_i / ‖K_i‖²
        const double factor = 2.0 * similarity / static_cast<double>(pairs);
        if (with_gradient) add_row(d_signatures, i, factor / (own * other), signatures, j);
        along += factor * similarity / (own * own);
      }
      if (with_gradient && along != 0.0) add_row(d_signatures, i, -along, signatures, i);
    }
  }
  return total / static_cast<double>(pairs);
}

SketchMaps::SketchMaps(Backend& backend, const SimilaritySketch& sketch) : size_(sketch.size()) {
  if (sketch.exact()) return;
  const std::int64_t width = sketch.left().cols;
  maps_ = backend.matrix(DType::f32, sketch.left().rows, 2 * width);
  ops::convert(backend, sketch.left(), maps_.view().cols_from(0, width));
  ops::convert(backend, sketch.right(), maps_.view().cols_from(width, width));
}

SketchedWeights::SketchedWeights(Backend& backend, const SketchMaps& maps, ConstMatrix covariance)
    : backend_(backend),
      maps_(maps),
      covariance_(backend.matrix(DType::f32, covariance.rows, covariance.cols)) {
  ops::convert(backend, covariance, covariance_.view());
}

void SketchedWeights::signature(ConstMatrix weights, Matrix target) {
  const std::int64_t n = covariance_.rows(), d = weights.rows;
  expect_f64(target, 1, maps_.size(), "trained signature, target");
  if (images_.rows() == 0) {
    images_ = backend_.matrix(DType::f32, n, maps_.exact() ? d : maps_.maps().cols);
  }
  if (maps_.exact()) {  // K = weights (C̄ weightsᵀ)
    ops::multiply(backend_, covariance_.view(), Transpose::no, weights, Transpose::yes, images_.view());
    OwnedMatrix k = backend_.matrix(DType::f32, d, d);
    ops::multiply(backend_, weights, Transpose::no, images_.view(), Transpose::no, k.view());
    ops::convert(backend_, k.view(), reshaped(target, d, d));
    return;
  }
  const std::int64_t s = maps_.maps().cols / 2;
  OwnedMatrix mapped = backend_.matrix(DType::f32, n, 2 * s);  // W [Φ₁ Φ₂]
  ops::multiply(backend_, weights, Transpose::yes, maps_.maps(), Transpose::no, mapped.view());
  ops::multiply(backend_, covariance_.view(), Transpose::no, mapped.view(), Transpose::no, images_.view());
  OwnedMatrix k = backend_.matrix(DType::f32, s, s);  // (W Φ₁)ᵀ (C̄ W Φ₂)
  ops::multiply(backend_, mapped.view().cols_from(0, s), Transpose::yes, images_.view().cols_from(s, s),
                Transpose::no, k.view());
  ops::convert(backend_, k.view(), reshaped(target, s, s));
}

void SketchedWeights::add_gradient(ConstMatrix d_signature, double scale, Matrix gradient) {
  if (images_.rows() == 0) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "trained signature",
                .found = "a gradient before the signature",
                .expected = "a signature of the same weights first",
                .remedy = "Call signature() at every step"};
  }
  expect_f64(d_signature, 1, maps_.size(), "trained signature, gradient");
  const std::int64_t d = gradient.rows;
  const std::int64_t s = maps_.exact() ? d : maps_.maps().cols / 2;
  OwnedMatrix slope = backend_.matrix(DType::f32, s, s);  // D
  ops::convert(backend_, reshaped(d_signature, s, s), slope.view());
  if (maps_.exact()) {  // (D + Dᵀ) (C̄ W)ᵀ
    for (const Transpose transpose : {Transpose::no, Transpose::yes}) {
      ops::multiply(backend_, slope.view(), transpose, images_.view(), Transpose::yes, gradient, scale, 1.0);
    }
    return;
  }
  // [Φ₂ Dᵀ, Φ₁ D] against [C̄ W Φ₁, C̄ W Φ₂]
  OwnedMatrix turned = backend_.matrix(DType::f32, d, 2 * s);
  const ConstMatrix maps = maps_.maps();
  ops::multiply(backend_, maps.cols_from(s, s), Transpose::no, slope.view(), Transpose::yes,
                turned.view().cols_from(0, s));
  ops::multiply(backend_, maps.cols_from(0, s), Transpose::no, slope.view(), Transpose::no,
                turned.view().cols_from(s, s));
  ops::multiply(backend_, turned.view(), Transpose::no, images_.view(), Transpose::yes, gradient, scale, 1.0);
}

}  // namespace cce
