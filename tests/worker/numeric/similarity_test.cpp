#include "worker/numeric/similarity.h"

#include <gmock/gmock.h>

#include <cmath>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

class Similarity : public NumericTest {};

TEST_F(Similarity, small_models_keep_the_signature_itself) {
  const SimilaritySketch sketch(*backend_, 6, 0);
  ASSERT_TRUE(sketch.exact());
  ASSERT_EQ(sketch.size(), 36);
  const OwnedMatrix w = gaussian(10, 6, 1);
  const OwnedMatrix c = covariance(10, 40, 2);
  OwnedMatrix signature = backend_->matrix(DType::f64, 1, 36);
  sketch.apply(*backend_, w.view(), c.view(), signature.view());
  const OwnedMatrix k = product(w.view(), product(c.view(), w.view()).view(), Transpose::yes);
  for (std::int64_t i = 0; i < 36; ++i) {
    EXPECT_NEAR(signature.as<double>()[i], k.as<double>()[i], 1e-12);
  }
}

TEST_F(Similarity, sketch_estimates_the_cosine_of_the_signatures) {
  const std::int64_t d = 300, n = 24;
  const SimilaritySketch sketch(*backend_, d, 5);
  ASSERT_FALSE(sketch.exact());
  ASSERT_EQ(sketch.size(), 256 * 256);
  OwnedMatrix sketches = backend_->matrix(DType::f64, 3, sketch.size());
  OwnedMatrix exact = backend_->matrix(DType::f64, 3, d * d);
  OwnedMatrix w = gaussian(n, d, 7);
  for (std::int64_t layer = 0; layer < 3; ++layer) {
    const OwnedMatrix c = covariance(n, 100, static_cast<std::uint64_t>(10 + layer));
    sketch.apply(*backend_, w.view(), c.view(), sketches.view().rows_from(layer, 1));
    ops::multiply(*backend_, w.view(), Transpose::yes, product(c.view(), w.view()).view(), Transpose::no,
                  Matrix{exact.as<double>() + layer * d * d, DType::f64, d, d, d});
    ops::add(*backend_, gaussian(n, d, static_cast<std::uint64_t>(20 + layer)).view(), w.view(), 0.5);
  }
  const OwnedMatrix estimated = similarity_matrix(*backend_, sketches.view());
  const OwnedMatrix expected = similarity_matrix(*backend_, exact.view());
  for (std::int64_t i = 0; i < 9; ++i) {
    EXPECT_NEAR(estimated.as<double>()[i], expected.as<double>()[i], 0.03);
  }
  EXPECT_GT(at(expected, 0, 1), 0.1);
}

TEST_F(Similarity, matrix_is_a_cosine_and_zero_against_nothing) {
  OwnedMatrix rows = backend_->zeros(DType::f64, 3, 4);
  at(rows, 0, 0) = 3.0;
  at(rows, 1, 0) = 1.0;
  at(rows, 1, 1) = 1.0;
  const OwnedMatrix s = similarity_matrix(*backend_, rows.view());
  EXPECT_NEAR(at(s, 0, 1), std::sqrt(0.5), 1e-15);
  EXPECT_EQ(at(s, 0, 1), at(s, 1, 0));
  EXPECT_EQ(at(s, 0, 2), 0.0);
  EXPECT_EQ(at(s, 2, 2), 1.0);
}

TEST_F(Similarity, clusters_merge_by_mean_similarity) {
  OwnedMatrix s = identity(5);
  const auto set = [&s](std::int64_t i, std::int64_t j, double value) { at(s, i, j) = at(s, j, i) = value; };
  set(0, 3, 0.95);
  set(0, 4, 0.9);
  set(3, 4, 0.75);  // mean with {0, 3}: 0.825
  set(1, 2, 0.7);
  EXPECT_THAT(cluster_by_similarity(s.view(), 0.8),
              ElementsAre(ElementsAre(0, 3, 4), ElementsAre(1), ElementsAre(2)));
  EXPECT_THAT(cluster_by_similarity(s.view(), 0.85),
              ElementsAre(ElementsAre(0, 3), ElementsAre(1), ElementsAre(2), ElementsAre(4)));
  EXPECT_THAT(cluster_by_similarity(s.view(), 0.0), ElementsAre(ElementsAre(0, 1, 2, 3, 4)));
}

TEST_F(Similarity, cost_factor_falls_with_the_closest_layer_of_the_cluster) {
  OwnedMatrix s = identity(3);
  at(s, 0, 1) = at(s, 1, 0) = 0.9;
  at(s, 0, 2) = at(s, 2, 0) = 0.95;  // not in the cluster
  const std::vector<std::vector<std::int32_t>> clusters{{0, 1}, {2}};
  EXPECT_THAT(similarity_cost_factors(s.view(), clusters, 0.5),
              ElementsAre(::testing::DoubleEq(0.55), ::testing::DoubleEq(0.55), 1.0));
  EXPECT_THAT(similarity_cost_factors(s.view(), clusters, 0.0), ElementsAre(1.0, 1.0, 1.0));
  EXPECT_EQ(error_code_of([&] { similarity_cost_factors(s.view(), clusters, 1.5); }),
            ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
