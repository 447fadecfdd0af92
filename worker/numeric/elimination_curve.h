#pragma once
#include <cstdint>
#include <vector>

namespace cce {

/// What removing units (features, groups or rotary pairs) one after another costs. One run gives every width:
/// the first units − width entries of `order` are what a layer of that width lacks.
struct EliminationCurve {
  std::int64_t units = 0;
  std::vector<std::int32_t> order;  ///< units in the order of their removal
  std::vector<double> cost;         ///< cost[i]: nats lost when order[0..i] are gone, the rest refitted

  /// Nats lost at this width; 0 at full width. Errors: out_of_range below the width that the run reached.
  double cost_at(std::int64_t width) const;
  /// The units that a layer of this width keeps, ascending. Errors: as above.
  std::vector<std::int32_t> survivors(std::int64_t width) const;
};

}  // namespace cce
