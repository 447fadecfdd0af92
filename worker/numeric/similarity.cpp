#include "worker/numeric/similarity.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "common/base/error.h"
#include "common/cost/sizes.h"
#include "worker/numeric/counter_random.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

using cost::sketch_width;

/// A view of contiguous memory as another shape of as many elements.
Matrix reshape(Matrix row, std::int64_t rows, std::int64_t cols) {
  return {row.data, row.dtype, rows, cols, cols};
}

double mean_similarity(ConstMatrix similarity, const std::vector<std::int32_t>& a,
                       const std::vector<std::int32_t>& b) {
  double sum = 0.0;
  for (const std::int32_t i : a) {
    for (const std::int32_t j : b) {
      sum += row_of(similarity, i)[j];
    }
  }
  return sum / static_cast<double>(a.size() * b.size());
}

}  // namespace

SimilaritySketch::SimilaritySketch(Backend& backend, std::int64_t hidden_size, std::uint64_t seed)
    : hidden_size_(hidden_size), width_(cost::signature_width(hidden_size)) {
  if (hidden_size > sketch_width) {
    const double deviation = 1.0 / std::sqrt(static_cast<double>(sketch_width));
    left_ = backend.matrix(DType::f64, hidden_size, sketch_width);
    right_ = backend.matrix(DType::f64, hidden_size, sketch_width);
    fill_normal(backend, CounterRandom(seed, RandomStream::sketch_left), deviation, left_.view());
    fill_normal(backend, CounterRandom(seed, RandomStream::sketch_right), deviation, right_.view());
  }
}

void SimilaritySketch::apply(Backend& backend, ConstMatrix output_weights, ConstMatrix covariance,
                             Matrix target) const {
  const std::int64_t n = output_weights.rows;
  expect_f64(output_weights, n, hidden_size_, "similarity sketch, output weights");
  expect_f64(covariance, n, n, "similarity sketch, covariance");
  expect_f64(target, 1, size(), "similarity sketch, target");
  OwnedMatrix left_image, right_image;
  ConstMatrix left_map = output_weights;
  ConstMatrix right_map = output_weights;
  if (!exact()) {
    left_image = backend.matrix(DType::f64, n, width_);
    right_image = backend.matrix(DType::f64, n, width_);
    ops::multiply(backend, output_weights, Transpose::no, left(), Transpose::no, left_image.view());
    ops::multiply(backend, output_weights, Transpose::no, right(), Transpose::no, right_image.view());
    left_map = left_image.view();
    right_map = right_image.view();
  }
  OwnedMatrix covariance_times_right = backend.matrix(DType::f64, n, width_);
  ops::multiply(backend, covariance, Transpose::no, right_map, Transpose::no, covariance_times_right.view());
  ops::multiply(backend, left_map, Transpose::yes, covariance_times_right.view(), Transpose::no,
                reshape(target, width_, width_));
}

OwnedMatrix similarity_matrix(Backend& backend, ConstMatrix signatures) {
  const std::int64_t layers = signatures.rows;
  expect_f64(signatures, layers, signatures.cols, "similarity matrix, signatures");
  const HostRead host(backend, signatures);
  OwnedMatrix similarity = backend.matrix(DType::f64, layers, layers);
  HostEdit result(backend, similarity.view(), HostEdit::Start::uninitialised);
  std::vector<double> norm(static_cast<std::size_t>(layers));
  for (std::int64_t i = 0; i < layers; ++i) {
    const double* a = row_of(host.view(), i);
    norm[static_cast<std::size_t>(i)] = std::sqrt(dot(a, a, signatures.cols));
  }
  for (std::int64_t i = 0; i < layers; ++i) {
    row_of(result.view(), i)[i] = 1.0;
    for (std::int64_t j = 0; j < i; ++j) {
      const double scale = norm[static_cast<std::size_t>(i)] * norm[static_cast<std::size_t>(j)];
      const double product = dot(row_of(host.view(), i), row_of(host.view(), j), signatures.cols);
      const double value = scale > 0.0 ? product / scale : 0.0;
      row_of(result.view(), i)[j] = value;
      row_of(result.view(), j)[i] = value;
    }
  }
  result.write_back();
  return similarity;
}

std::vector<std::vector<std::int32_t>> cluster_by_similarity(ConstMatrix similarity, double threshold) {
  expect_f64(similarity, similarity.rows, similarity.rows, "clusters, similarity matrix");
  std::vector<std::vector<std::int32_t>> clusters;
  for (std::int32_t i = 0; i < similarity.rows; ++i) {
    clusters.push_back({i});
  }
  while (clusters.size() > 1) {
    std::size_t best_a = 0;
    std::size_t best_b = 0;
    double best = 0.0;
    for (std::size_t a = 0; a < clusters.size(); ++a) {
      for (std::size_t b = a + 1; b < clusters.size(); ++b) {
        const double mean = mean_similarity(similarity, clusters[a], clusters[b]);
        if (best_a == best_b || mean > best) {
          best = mean;
          best_a = a;
          best_b = b;
        }
      }
    }
    if (best < threshold) {
      break;
    }
    auto& merged = clusters[best_a];
    merged.insert(merged.end(), clusters[best_b].begin(), clusters[best_b].end());
    std::sort(merged.begin(), merged.end());
    clusters.erase(clusters.begin() + static_cast<std::ptrdiff_t>(best_b));
  }
  return clusters;
}

std::vector<double> similarity_cost_factors(ConstMatrix similarity,
                                            std::span<const std::vector<std::int32_t>> clusters,
                                            double weight) {
  expect_f64(similarity, similarity.rows, similarity.rows, "similarity cost factors, similarity matrix");
  if (!(weight >= 0.0 && weight <= 1.0)) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "similarity.weight",
                .found = std::to_string(weight),
                .expected = "0 to 1",
                .remedy = "Choose a weight in this range; 0 leaves the costs alone"};
  }
  std::vector<double> factors(static_cast<std::size_t>(similarity.rows), 1.0);
  for (const auto& cluster : clusters) {
    for (const std::int32_t k : cluster) {
      double largest = 0.0;
      for (const std::int32_t j : cluster) {
        largest = j == k ? largest : std::max(largest, row_of(similarity, k)[j]);
      }
      factors[static_cast<std::size_t>(k)] = std::clamp(1.0 - weight * largest, 0.0, 1.0);
    }
  }
  return factors;
}

}  // namespace cce
