#include "worker/numeric/group_elimination.h"

#include <gmock/gmock.h>

#include <numeric>

#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/column_elimination.h"
#include "worker/numeric/eliminated_solution.h"
#include "worker/numeric/host_matrix.h"

namespace cce {
namespace {

class GroupElimination : public NumericTest {
 protected:
  double direct_cost(const OwnedMatrix& covariance, const OwnedMatrix& weighted,
                     const std::vector<std::int32_t>& survivors) {
    const OwnedMatrix solution =
        eliminated_solution(*backend_, covariance.view(), weighted.view(), survivors, 1e-3);
    OwnedMatrix residual = copy_f64(*backend_, weighted.view());
    for (std::size_t i = 0; i < survivors.size(); ++i) {
      for (std::int64_t j = 0; j < weighted.cols(); ++j) {
        at(residual, survivors[i], j) -= at(solution, static_cast<std::int64_t>(i), j);
      }
    }
    const OwnedMatrix metric = regularized_covariance(*backend_, covariance.view(), 1e-3);
    return 0.5 * inner_product(*backend_, residual.view(), product(metric.view(), residual.view()).view());
  }

  static std::vector<std::vector<std::int32_t>> contiguous_groups(std::int32_t count, std::int32_t size) {
    std::vector<std::vector<std::int32_t>> groups(static_cast<std::size_t>(count));
    for (std::int32_t g = 0; g < count; ++g) {
      groups[static_cast<std::size_t>(g)].resize(static_cast<std::size_t>(size));
      std::iota(groups[static_cast<std::size_t>(g)].begin(), groups[static_cast<std::size_t>(g)].end(),
                g * size);
    }
    return groups;
  }

  static std::vector<std::int32_t> features_of(const std::vector<std::vector<std::int32_t>>& groups,
                                               const std::vector<std::int32_t>& kept) {
    std::vector<std::int32_t> features;
    for (const std::int32_t g : kept) {
      const auto& group = groups[static_cast<std::size_t>(g)];
      features.insert(features.end(), group.begin(), group.end());
    }
    return features;
  }
};

TEST_F(GroupElimination, cost_equals_the_direct_computation_at_every_count) {
  const auto groups = contiguous_groups(5, 6);
  const OwnedMatrix c = covariance(30, 90, 1);
  const OwnedMatrix w = gaussian(30, 7, 2);
  const auto curve = eliminate_groups(*backend_, c.view(), w.view(), groups, {});
  ASSERT_EQ(curve.order.size(), 5u);
  for (std::int64_t kept = 0; kept <= 5; ++kept) {
    const double direct = direct_cost(c, w, features_of(groups, curve.survivors(kept)));
    EXPECT_NEAR(curve.cost_at(kept), direct, 1e-9 * curve.cost.back()) << kept << " groups";
  }
}

TEST_F(GroupElimination, first_group_is_the_cheapest_single_removal) {
  const auto groups = contiguous_groups(4, 5);
  const OwnedMatrix c = covariance(20, 80, 3);
  const OwnedMatrix w = gaussian(20, 7, 4);
  const auto curve = eliminate_groups(*backend_, c.view(), w.view(), groups, {.minimum_groups = 3});
  ASSERT_EQ(curve.order.size(), 1u);
  for (std::int32_t g = 0; g < 4; ++g) {
    std::vector<std::int32_t> kept{0, 1, 2, 3};
    kept.erase(kept.begin() + g);
    EXPECT_LE(curve.cost[0], direct_cost(c, w, features_of(groups, kept)) * (1.0 + 1e-9));
  }
}

TEST_F(GroupElimination, groups_of_one_are_columns) {
  const OwnedMatrix c = covariance(16, 60, 5);
  const OwnedMatrix w = gaussian(16, 7, 6);
  const auto by_group = eliminate_groups(*backend_, c.view(), w.view(), contiguous_groups(16, 1), {});
  const auto by_column = eliminate_columns(*backend_, c.view(), w.view(), {.block = 1});
  EXPECT_EQ(by_group.order, by_column.order);
  EXPECT_NEAR(by_group.cost_at(4), by_column.cost_at(4), 1e-9 * by_column.cost.back());
}

TEST_F(GroupElimination, refuses_overlap_and_unknown_features) {
  const OwnedMatrix c = covariance(4, 20, 7);
  const OwnedMatrix w = gaussian(4, 2, 8);
  const auto run = [&](std::vector<std::vector<std::int32_t>> groups) {
    return error_code_of([&] { eliminate_groups(*backend_, c.view(), w.view(), groups, {}); });
  };
  EXPECT_EQ(run({{0, 1}, {1, 2}}), ErrorCode::out_of_range);
  EXPECT_EQ(run({{0, 4}}), ErrorCode::out_of_range);
}

}  // namespace
}  // namespace cce
