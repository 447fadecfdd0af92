#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace cce {

/// One size that the export format can carry.
struct CurvePoint {
  std::int64_t removed = 0;  ///< parameters, FLOPs per token or bytes: one unit for all curves of a problem
  double cost_nats = 0.0;    ///< predicted loss rise, nats per token
};

/// What one unit (an FFN, the value width of a layer, ...) can give up. points[0] removes nothing at cost 0;
/// `removed` ascends strictly; costs need be neither monotone nor convex.
struct CostCurve {
  std::string unit;        ///< for messages: "layer 7, ffn"
  std::int64_t whole = 0;  ///< amount of the dense unit, ≥ the last point's `removed`
  std::vector<CurvePoint> points;
};

struct Allocation {
  std::vector<std::size_t> choice;  ///< index into points, per curve
  double price = 0.0;               ///< nats per removed amount at the water level (equal budgets: 0)
  std::int64_t removed = 0;
  double cost_nats = 0.0;
};

/// Indices of the points on the lower convex hull, first and last included: slopes ascend strictly.
std::vector<std::size_t> lower_hull(std::span<const CurvePoint> points);

/// Water-filling (docs/method.md 3.2, 3.3): one price per removed amount for all units.
///   1. lower convex hull of every curve
///   2. hull segments in order of slope (ties: curve, then position)
///   3. take whole segments while the target is not met
///   4. in the segment that meets it, the smallest representable point that does; price = that segment's
///      slope
/// Among all choices that remove at least as much as the hull points taken, none costs less; step 4
/// overshoots the target by less than one step of one curve. Errors: unreachable_target (expected: the
/// largest reachable amount); invalid_argument for a curve that breaks the rules above.
Allocation water_fill(std::span<const CostCurve> curves, std::int64_t target_removed);

/// Ablation: the same fraction of `whole` everywhere, the smallest fraction that meets the target; each curve
/// takes its smallest point at or above that fraction (its last where none is). Errors: as water_fill.
Allocation equal_budgets(std::span<const CostCurve> curves, std::int64_t target_removed);

/// Uniform widths: point i of the sum removes what point i of every curve removes, at the summed cost.
/// Errors: shape_mismatch unless all curves have as many points; invalid_argument when there is none.
CostCurve sum_curves(std::span<const CostCurve> curves, std::string unit);

}  // namespace cce
