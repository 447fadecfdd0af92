#include "worker/numeric/waterfill.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/error.h"

namespace cce {
namespace {

void check_curve(const CostCurve& curve) {
  const auto refuse = [&curve](const std::string& found, const std::string& expected) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "cost curve of " + curve.unit,
                .found = found,
                .expected = expected,
                .remedy = "Build the curve from an elimination run"};
  };
  if (curve.points.empty() || curve.points.front().removed != 0 || curve.points.front().cost_nats != 0.0) {
    refuse("another first point", "a first point that removes nothing at cost 0");
  }
  for (std::size_t i = 0; i < curve.points.size(); ++i) {
    if (!std::isfinite(curve.points[i].cost_nats)) {
      refuse("a cost that is not finite at point " + std::to_string(i), "finite costs");
    }
    if (i > 0 && curve.points[i].removed <= curve.points[i - 1].removed) {
      refuse("removed amount " + std::to_string(curve.points[i].removed) + " at point " + std::to_string(i),
             "amounts that ascend strictly");
    }
  }
  if (curve.whole < curve.points.back().removed) {
    refuse("whole " + std::to_string(curve.whole), "at least " + std::to_string(curve.points.back().removed));
  }
}

void check_problem(std::span<const CostCurve> curves, std::int64_t target_removed) {
  std::int64_t reachable = 0;
  for (const CostCurve& curve : curves) {
    check_curve(curve);
    reachable += curve.points.back().removed;
  }
  if (target_removed > reachable) {
    throw Error{.code = ErrorCode::unreachable_target,
                .where = "target",
                .found = "an amount of " + std::to_string(target_removed) + " to remove",
                .expected = "at most " + std::to_string(reachable) + ", all that the chosen structures hold",
                .remedy = "Lower the target, allow more structures, or choose a format that carries more"};
  }
}

double slope(const CurvePoint& from, const CurvePoint& to) {
  return (to.cost_nats - from.cost_nats) / static_cast<double>(to.removed - from.removed);
}

struct Segment {
  double price;
  std::size_t curve, from, to;  ///< points of that curve
};

std::vector<Segment> sorted_segments(std::span<const CostCurve> curves) {
  std::vector<Segment> segments;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const auto& points = curves[c].points;
    const std::vector<std::size_t> hull = lower_hull(points);  // 1.
    for (std::size_t i = 1; i < hull.size(); ++i) {
      segments.push_back({slope(points[hull[i - 1]], points[hull[i]]), c, hull[i - 1], hull[i]});
    }
  }
  // Slopes of one hull ascend and the sort is stable, so segments of a curve stay in order.
  std::stable_sort(segments.begin(), segments.end(),
                   [](const Segment& a, const Segment& b) { return a.price < b.price; });  // 2.
  return segments;
}

void total_up(std::span<const CostCurve> curves, Allocation& allocation) {
  allocation.removed = 0;
  allocation.cost_nats = 0.0;
  for (std::size_t c = 0; c < curves.size(); ++c) {
    const CurvePoint& point = curves[c].points[allocation.choice[c]];
    allocation.removed += point.removed;
    allocation.cost_nats += point.cost_nats;
  }
}

double fraction_of(const CostCurve& curve, std::size_t point) {
  return static_cast<double>(curve.points[point].removed) / static_cast<double>(curve.whole);
}

Allocation at_fraction(std::span<const CostCurve> curves, double fraction) {
  Allocation allocation{.choice = std::vector<std::size_t>(curves.size(), 0)};
  for (std::size_t c = 0; c < curves.size(); ++c) {
    std::size_t& choice = allocation.choice[c];
    while (choice + 1 < curves[c].points.size() && fraction_of(curves[c], choice) < fraction) {
      ++choice;
    }
  }
  total_up(curves, allocation);
  return allocation;
}

}  // namespace

std::vector<std::size_t> lower_hull(std::span<const CurvePoint> points) {
  std::vector<std::size_t> hull;
  for (std::size_t i = 0; i < points.size(); ++i) {
    while (hull.size() >= 2 && slope(points[hull[hull.size() - 2]], points[hull.back()]) >=
                                   slope(points[hull.back()], points[i])) {
      hull.pop_back();
    }
    hull.push_back(i);
  }
  return hull;
}

Allocation water_fill(std::span<const CostCurve> curves, std::int64_t target_removed) {
  check_problem(curves, target_removed);
  Allocation allocation{.choice = std::vector<std::size_t>(curves.size(), 0)};
  std::int64_t removed = 0;
  for (const Segment& segment : sorted_segments(curves)) {
    if (removed >= target_removed) {
      break;
    }
    const auto& points = curves[segment.curve].points;
    const std::int64_t without = removed - points[segment.from].removed;
    std::size_t taken = segment.to;  // 3.
    if (without + points[segment.to].removed >= target_removed) {
      taken = segment.from + 1;  // 4.
      while (without + points[taken].removed < target_removed) {
        ++taken;
      }
    }
    allocation.choice[segment.curve] = taken;
    allocation.price = segment.price;
    removed = without + points[taken].removed;
  }
  total_up(curves, allocation);
  return allocation;
}

Allocation equal_budgets(std::span<const CostCurve> curves, std::int64_t target_removed) {
  check_problem(curves, target_removed);
  std::vector<double> fractions{0.0};
  for (const CostCurve& curve : curves) {
    for (std::size_t i = 1; i < curve.points.size(); ++i) {
      fractions.push_back(fraction_of(curve, i));
    }
  }
  std::sort(fractions.begin(), fractions.end());
  // What is removed never falls as the fraction grows.
  const auto smallest = std::partition_point(fractions.begin(), fractions.end(), [&](double fraction) {
    return at_fraction(curves, fraction).removed < target_removed;
  });
  return at_fraction(curves, smallest == fractions.end() ? fractions.back() : *smallest);
}

CostCurve sum_curves(std::span<const CostCurve> curves, std::string unit) {
  if (curves.empty()) {
    throw Error{.code = ErrorCode::invalid_argument,
                .where = "sum of cost curves",
                .found = "no curve",
                .expected = "at least one",
                .remedy = "Leave out structures that no layer has"};
  }
  CostCurve sum{.unit = std::move(unit), .whole = 0, .points = {}};
  sum.points.resize(curves.front().points.size());
  for (const CostCurve& curve : curves) {
    check_curve(curve);
    if (curve.points.size() != sum.points.size()) {
      throw Error{.code = ErrorCode::shape_mismatch,
                  .where = "cost curve of " + curve.unit,
                  .found = std::to_string(curve.points.size()) + " points",
                  .expected = std::to_string(sum.points.size()),
                  .remedy = "Uniform widths need layers of one shape"};
    }
    sum.whole += curve.whole;
    for (std::size_t i = 0; i < sum.points.size(); ++i) {
      sum.points[i].removed += curve.points[i].removed;
      sum.points[i].cost_nats += curve.points[i].cost_nats;
    }
  }
  return sum;
}

}  // namespace cce
