#include "worker/numeric/waterfill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "common/base/error.h"
#include "tests/worker/numeric/numeric_fixture.h"
#include "worker/numeric/counter_random.h"

namespace cce {
namespace {

using ::testing::ElementsAre;

/// Curves of up to `steps` points; convex ones have growing increments of equal size.
std::vector<CostCurve> random_curves(std::uint64_t seed, std::size_t count, std::size_t steps, bool convex) {
  const CounterRandom random(seed, 0);
  std::uint64_t index = 0;
  std::vector<CostCurve> curves(count);
  for (CostCurve& curve : curves) {
    curve.unit = "unit";
    curve.points.push_back({});
    double increment = 0.0;
    for (std::size_t i = 0; i < steps; ++i) {
      const CurvePoint last = curve.points.back();
      const auto step = convex ? 10 : 1 + static_cast<std::int64_t>(20.0 * random.uniform(index++));
      increment = convex ? increment + random.uniform(index++) : random.uniform(index++) - 0.1;
      curve.points.push_back({last.removed + step, last.cost_nats + increment});
    }
    curve.whole = curve.points.back().removed + 5;
  }
  return curves;
}

/// The lowest cost of any choice that removes at least `target`.
double brute_force(const std::vector<CostCurve>& curves, std::int64_t target, std::size_t curve = 0) {
  if (curve == curves.size()) {
    return target <= 0 ? 0.0 : std::numeric_limits<double>::infinity();
  }
  double best = std::numeric_limits<double>::infinity();
  for (const CurvePoint& point : curves[curve].points) {
    best = std::min(best, point.cost_nats + brute_force(curves, target - point.removed, curve + 1));
  }
  return best;
}

std::int64_t reachable(const std::vector<CostCurve>& curves) {
  std::int64_t sum = 0;
  for (const CostCurve& curve : curves) {
    sum += curve.points.back().removed;
  }
  return sum;
}

TEST(WaterFill, is_optimal_on_convex_curves_of_equal_steps) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto curves = random_curves(seed, 4, 5, /*convex=*/true);
    for (std::int64_t target = 0; target <= reachable(curves); target += 7) {
      const Allocation result = water_fill(curves, target);
      ASSERT_GE(result.removed, target);
      ASSERT_LT(result.removed, target + 10);
      ASSERT_NEAR(result.cost_nats, brute_force(curves, target), 1e-12)
          << "seed " << seed << " target " << target;
    }
  }
}

TEST(WaterFill, costs_at_most_its_last_segment_more_than_the_optimum_elsewhere) {
  for (std::uint64_t seed = 100; seed < 130; ++seed) {
    const auto curves = random_curves(seed, 4, 5, /*convex=*/false);
    double longest = 0.0;  // the largest cost of any single point bounds what one segment can add
    for (const CostCurve& curve : curves) {
      double low = 0.0, high = 0.0;
      for (const CurvePoint& point : curve.points) {
        low = std::min(low, point.cost_nats);
        high = std::max(high, point.cost_nats);
      }
      longest = std::max(longest, high - low);
    }
    for (std::int64_t target = 0; target <= reachable(curves); target += 11) {
      const Allocation result = water_fill(curves, target);
      ASSERT_GE(result.removed, target);
      const double optimum = brute_force(curves, target);
      ASSERT_GE(result.cost_nats, optimum - 1e-12);
      ASSERT_LE(result.cost_nats, optimum + longest + 1e-12) << "seed " << seed << " target " << target;
    }
  }
}

TEST(WaterFill, takes_the_smallest_point_that_meets_the_target_inside_the_last_segment) {
  const std::vector<CostCurve> curves{{"cheap", 40, {{0, 0.0}, {10, 1.0}, {20, 2.5}, {30, 2.9}, {40, 3.0}}},
                                      {"dear", 40, {{0, 0.0}, {10, 5.0}}}};
  const Allocation result = water_fill(curves, 15);
  EXPECT_THAT(result.choice, ElementsAre(2u, 0u));  // above the hull, but the smallest
  EXPECT_EQ(result.removed, 20);
  EXPECT_DOUBLE_EQ(result.cost_nats, 2.5);
  EXPECT_DOUBLE_EQ(result.price, 3.0 / 40.0);
}

TEST(WaterFill, nothing_to_remove_keeps_everything) {
  const auto curves = random_curves(1, 3, 4, true);
  const Allocation result = water_fill(curves, 0);
  EXPECT_THAT(result.choice, ElementsAre(0u, 0u, 0u));
  EXPECT_EQ(result.price, 0.0);
}

TEST(WaterFill, unreachable_target_names_the_largest_reachable) {
  const auto curves = random_curves(1, 3, 4, true);
  try {
    water_fill(curves, reachable(curves) + 1);
    FAIL() << "no Error was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::unreachable_target);
    EXPECT_THAT(error.expected, ::testing::HasSubstr(std::to_string(reachable(curves))));
  }
  EXPECT_EQ(water_fill(curves, reachable(curves)).removed, reachable(curves));
}

TEST(WaterFill, refuses_curves_that_break_the_rules) {
  const auto code = [](CostCurve curve) {
    return error_code_of([&] { water_fill(std::vector<CostCurve>{curve}, 1); });
  };
  EXPECT_EQ(code({"none", 10, {}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({"first point", 10, {{1, 0.0}}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({"order", 10, {{0, 0.0}, {5, 1.0}, {5, 2.0}}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({"whole", 4, {{0, 0.0}, {5, 1.0}}}), ErrorCode::invalid_argument);
  EXPECT_EQ(code({"nan", 9, {{0, 0.0}, {5, std::numeric_limits<double>::quiet_NaN()}}}),
            ErrorCode::invalid_argument);
}

TEST(LowerHull, slopes_ascend_and_no_point_lies_below) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    const CostCurve curve = random_curves(seed, 1, 20, /*convex=*/false).front();
    const auto hull = lower_hull(curve.points);
    ASSERT_EQ(hull.front(), 0u);
    ASSERT_EQ(hull.back(), curve.points.size() - 1);
    double last_slope = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 1; i < hull.size(); ++i) {
      const CurvePoint& a = curve.points[hull[i - 1]];
      const CurvePoint& b = curve.points[hull[i]];
      const double slope = (b.cost_nats - a.cost_nats) / static_cast<double>(b.removed - a.removed);
      ASSERT_GT(slope, last_slope);
      last_slope = slope;
      for (std::size_t p = hull[i - 1]; p <= hull[i]; ++p) {
        const double on_hull = a.cost_nats + slope * static_cast<double>(curve.points[p].removed - a.removed);
        ASSERT_GE(curve.points[p].cost_nats, on_hull - 1e-12);
      }
    }
  }
}

TEST(EqualBudgets, take_the_same_fraction_everywhere) {
  const std::vector<CostCurve> curves{{"a", 100, {{0, 0.0}, {25, 9.0}, {50, 20.0}}},
                                      {"b", 200, {{0, 0.0}, {50, 1.0}, {100, 2.0}}}};
  const Allocation result = equal_budgets(curves, 60);
  EXPECT_THAT(result.choice, ElementsAre(1u, 1u));
  EXPECT_EQ(result.removed, 75);
  EXPECT_DOUBLE_EQ(result.cost_nats, 10.0);
  EXPECT_THAT(equal_budgets(curves, 0).choice, ElementsAre(0u, 0u));
  EXPECT_THAT(equal_budgets(curves, 150).choice, ElementsAre(2u, 2u));
  EXPECT_EQ(error_code_of([&] { equal_budgets(curves, 151); }), ErrorCode::unreachable_target);
}

TEST(SumCurves, adds_layers_of_one_shape) {
  const std::vector<CostCurve> curves{{"a", 10, {{0, 0.0}, {5, 1.0}}}, {"b", 10, {{0, 0.0}, {5, 2.0}}}};
  const CostCurve sum = sum_curves(curves, "ffn, all layers");
  EXPECT_EQ(sum.whole, 20);
  EXPECT_EQ(sum.points[1].removed, 10);
  EXPECT_DOUBLE_EQ(sum.points[1].cost_nats, 3.0);
  const std::vector<CostCurve> unequal{curves[0], {"c", 10, {{0, 0.0}}}};
  EXPECT_EQ(error_code_of([&] { sum_curves(unequal, "x"); }), ErrorCode::shape_mismatch);
  EXPECT_EQ(error_code_of([] { sum_curves({}, "x"); }), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace cce
