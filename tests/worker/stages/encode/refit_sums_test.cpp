#include "worker/stages/encode/refit_sums.h"

#include <gtest/gtest.h>

#include "tests/worker/model/random_layer.h"
#include "tests/worker/stages/stage_fixture.h"

namespace cce {
namespace {

constexpr std::int64_t tokens = 37, features = 6, hidden = 5;

struct Sums {
  std::vector<double> gram, cross;
  double target_energy = 0.0;
};

/// Fᵀ Ω F and Fᵀ Ω Y over [f, 1] where with_bias, straight from their definition.
Sums naive_sums(const HostMatrix& f, const HostMatrix& y, const HostMatrix& root, bool with_bias) {
  const std::int64_t n = with_bias ? features + 1 : features;
  Sums sums{std::vector<double>(static_cast<std::size_t>(n * n)),
            std::vector<double>(static_cast<std::size_t>(n * hidden))};
  for (std::int64_t t = 0; t < tokens; ++t) {
    const double weight = std::pow(static_cast<double>(root.values[static_cast<std::size_t>(t)]), 2);
    const auto feature = [&](std::int64_t i) {
      return i < features ? static_cast<double>(f.row(t)[i]) : 1.0;
    };
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        sums.gram[static_cast<std::size_t>(i * n + j)] += weight * feature(i) * feature(j);
      }
      for (std::int64_t j = 0; j < hidden; ++j) {
        sums.cross[static_cast<std::size_t>(i * hidden + j)] +=
            weight * feature(i) * static_cast<double>(y.row(t)[j]);
      }
    }
    for (std::int64_t j = 0; j < hidden; ++j) {
      sums.target_energy += weight * std::pow(static_cast<double>(y.row(t)[j]), 2);
    }
  }
  return sums;
}

class RefitSumsOnRanks : public ::testing::TestWithParam<int> {};

TEST_P(RefitSumsOnRanks, agree_with_their_definition) {
  const int ranks = GetParam();
  const HostMatrix f = random_matrix(tokens, features, 1);
  const HostMatrix y = random_matrix(tokens, hidden, 2);
  HostMatrix root = random_matrix(1, tokens, 3);
  for (float& value : root.values) {
    value = std::abs(value);
  }
  StageJob job("llama_mha");
  job.run(ranks, [&](StageContext& context) {
    RefitSums sums(context.backend, DType::f32, features + 3, hidden, 8);  // room for wider ones
    sums.start(features + 3);
    sums.start(features);  // what an earlier sub-block left is gone
    const SequenceRange mine = split_sequences(tokens, ranks)[static_cast<std::size_t>(context.rank())];
    for (std::int64_t first = mine.first; first < mine.first + mine.count; first += 8) {
      const std::int64_t count = std::min<std::int64_t>(8, mine.first + mine.count - first);
      sums.add(f.view().rows_from(first, count), y.view().rows_from(first, count),
               root.view().cols_from(first, count));
    }
    sums.reduce(context.communicator, ranks - 1);
    if (context.rank() != ranks - 1) {
      return;
    }
    for (const bool with_bias : {false, true}) {
      const RefitSums::Assembled found = sums.assemble(with_bias);
      const Sums expected = naive_sums(f, y, root, with_bias);
      EXPECT_LT(relative_distance(found.gram.view(), expected.gram), 1e-6);
      EXPECT_LT(relative_distance(found.cross.view(), expected.cross), 1e-6);
      EXPECT_NEAR(found.target_energy, expected.target_energy, 1e-6 * expected.target_energy);
    }
  });
}
INSTANTIATE_TEST_SUITE_P(RefitSums, RefitSumsOnRanks, ::testing::Values(1, 2, 3),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace cce
