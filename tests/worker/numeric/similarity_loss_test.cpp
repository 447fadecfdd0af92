#include "worker/numeric/similarity_loss.h"

#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

using Clusters = std::vector<std::vector<std::int32_t>>;

class SimilarityLoss : public NumericTest {
 protected:
  /// Central differences of f, entry by entry.
  static std::vector<double> derivatives(OwnedMatrix& of, const std::function<double()>& f, double step) {
    std::vector<double> result;
    for (std::int64_t i = 0; i < of.rows() * of.cols(); ++i) {
      const double original = of.as<double>()[i];
      of.as<double>()[i] = original + step;
      const double above = f();
      of.as<double>()[i] = original - step;
      const double below = f();
      of.as<double>()[i] = original;
      result.push_back((above - below) / (2.0 * step));
    }
    return result;
  }
};

TEST_F(SimilarityLoss, is_the_mean_square_over_the_pairs_of_clusters) {
  const OwnedMatrix signatures = gaussian(6, 20, 1);
  const OwnedMatrix s = similarity_matrix(*backend_, signatures.view());
  const Clusters clusters = {{0, 2, 5}, {1}, {3, 4}};
  const auto square = [&](std::int64_t i, std::int64_t j) { return at(s, i, j) * at(s, i, j); };
  const double expected = (square(0, 2) + square(0, 5) + square(2, 5) + square(3, 4)) / 4.0;
  EXPECT_NEAR(similarity_loss(signatures.view(), clusters, {}), expected, 1e-12);
  EXPECT_EQ(similarity_loss(signatures.view(), Clusters{{0}, {1}}, {}), 0.0);
}

TEST_F(SimilarityLoss, gradient_is_the_finite_difference_and_zero_without_partners) {
  OwnedMatrix signatures = gaussian(6, 7, 2);
  for (std::int64_t j = 0; j < 7; ++j) at(signatures, 4, j) = 0.0;  // nothing to compare with
  const Clusters clusters = {{0, 2, 5}, {1}, {3, 4}};
  OwnedMatrix gradient = gaussian(6, 7, 3);
  similarity_loss(signatures.view(), clusters, gradient.view());
  for (std::int64_t j = 0; j < 7; ++j) {
    for (const std::int64_t alone : {1, 3, 4}) EXPECT_EQ(at(gradient, alone, j), 0.0);
  }
  const std::vector<double> expected = derivatives(
      signatures, [&] { return similarity_loss(signatures.view(), clusters, {}); }, 1e-5);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (i / 7 == 3 || i / 7 == 4) continue;  // 0 against a zero signature is a definition, not a limit
    EXPECT_NEAR(gradient.as<double>()[i], expected[i], 1e-8) << i;
  }
}

TEST_F(SimilarityLoss, refuses_members_that_do_not_exist) {
  const OwnedMatrix signatures = gaussian(2, 4, 1);
  EXPECT_EQ(error_code_of([&] {
              similarity_loss(signatures.view(), Clusters{{0, 2}}, {});
            }),
            ErrorCode::out_of_range);
}

/// A few sub-blocks trained against each other, small (exact signatures) or sketched.
struct TrainedRow {
  const char* name;
  std::int64_t hidden_size;
};
constexpr TrainedRow trained_rows[] = {{"exact", 6}, {"sketched", 260}};

class TrainedSignatures : public SimilarityLoss, public ::testing::WithParamInterface<TrainedRow> {
 protected:
  static constexpr std::int64_t layers = 3;
  const std::int64_t d_ = GetParam().hidden_size;
  const std::vector<std::int64_t> widths_ = {5, 8, 3};
  const Clusters clusters_ = {{0, 1, 2}};
  const SimilaritySketch sketch_{*backend_, d_, 9};

  OwnedMatrix covariance_of(std::int64_t layer) {
    return covariance(widths_[static_cast<std::size_t>(layer)], 40, static_cast<std::uint64_t>(20 + layer));
  }
  /// d × n in f64, of one seed: rows share a direction, so that similarities are not all near 0.
  OwnedMatrix weights_of(std::int64_t layer) {
    const std::int64_t n = widths_[static_cast<std::size_t>(layer)];
    OwnedMatrix result = gaussian(d_, n, static_cast<std::uint64_t>(30 + layer));
    const OwnedMatrix shared = gaussian(d_, 1, 40);
    for (std::int64_t i = 0; i < d_; ++i) {
      for (std::int64_t j = 0; j < n; ++j) at(result, i, j) += at(shared, i, 0);
    }
    return result;
  }
};

TEST_P(TrainedSignatures, are_those_of_the_sketch_and_lead_the_gradient_back_to_the_weights) {
  std::vector<OwnedMatrix> weights, covariances;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    weights.push_back(weights_of(layer));
    covariances.push_back(covariance_of(layer));
  }
  // The loss through SimilaritySketch itself, all f64.
  const auto signatures_now = [&] {
    OwnedMatrix signatures = backend_->matrix(DType::f64, layers, sketch_.size());
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const OwnedMatrix& w = weights[static_cast<std::size_t>(layer)];
      OwnedMatrix turned = backend_->matrix(DType::f64, w.cols(), w.rows());
      for (std::int64_t i = 0; i < w.rows(); ++i) {
        for (std::int64_t j = 0; j < w.cols(); ++j) at(turned, j, i) = at(w, i, j);
      }
      sketch_.apply(*backend_, turned.view(), covariances[static_cast<std::size_t>(layer)].view(),
                    signatures.view().rows_from(layer, 1));
    }
    return signatures;
  };
  const OwnedMatrix expected = signatures_now();

  const SketchMaps maps(*backend_, sketch_);
  OwnedMatrix found = backend_->matrix(DType::f64, layers, maps.size());
  std::vector<SketchedWeights> trained;
  trained.reserve(layers);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto k = static_cast<std::size_t>(layer);
    trained.emplace_back(*backend_, maps, covariances[k].view());
    OwnedMatrix narrow = backend_->matrix(DType::f32, d_, widths_[k]);
    ops::convert(*backend_, weights[k].view(), narrow.view());
    trained[k].signature(narrow.view(), found.view().rows_from(layer, 1));
  }
  EXPECT_LE(norm(difference(found.view(), expected.view()).view()), 1e-5 * norm(expected.view()));

  OwnedMatrix slopes = backend_->matrix(DType::f64, layers, maps.size());
  const double loss = similarity_loss(found.view(), clusters_, slopes.view());
  EXPECT_GT(loss, 0.01);
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto k = static_cast<std::size_t>(layer);
    OwnedMatrix gradient = backend_->zeros(DType::f32, d_, widths_[k]);
    trained[k].add_gradient(slopes.view().rows_from(layer, 1), 0.5, gradient.view());
    double largest = 0.0;
    for (std::int64_t i = 0; i < d_ * widths_[k]; ++i) {
      largest = std::max(largest, std::abs(static_cast<double>(gradient.as<float>()[i])));
    }
    const std::int64_t stride = std::max<std::int64_t>(1, d_ * widths_[k] / 23);  // a sample of the entries
    for (std::int64_t i = 0; i < d_ * widths_[k]; i += stride) {
      double& entry = weights[k].as<double>()[i];
      const double original = entry, step = 1e-3;
      entry = original + step;
      const double above = similarity_loss(signatures_now().view(), clusters_, {});
      entry = original - step;
      const double below = similarity_loss(signatures_now().view(), clusters_, {});
      entry = original;
      EXPECT_NEAR(static_cast<double>(gradient.as<float>()[i]), 0.5 * (above - below) / (2.0 * step),
                  1e-3 * largest)
          << layer << ", " << i;
    }
  }
}

TEST_P(TrainedSignatures, need_a_signature_before_a_gradient) {
  const SketchMaps maps(*backend_, sketch_);
  SketchedWeights trained(*backend_, maps, covariance_of(0).view());
  OwnedMatrix slope = backend_->zeros(DType::f64, 1, maps.size()),
              gradient = backend_->zeros(DType::f32, d_, 5);
  EXPECT_EQ(error_code_of([&] { trained.add_gradient(slope.view(), 1.0, gradient.view()); }),
            ErrorCode::invalid_argument);
}

std::string row_name(const ::testing::TestParamInfo<TrainedRow>& row) {
  return row.param.name;
}
INSTANTIATE_TEST_SUITE_P(Rows, TrainedSignatures, ::testing::ValuesIn(trained_rows), row_name);

}  // namespace
}  // namespace cce
