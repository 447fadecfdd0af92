#include "worker/numeric/elimination_curve.h"

#include <string>

#include "common/base/error.h"

namespace cce {

double EliminationCurve::cost_at(std::int64_t width) const {
  const std::int64_t removed = units - width;
  const auto reached = static_cast<std::int64_t>(order.size());
  if (removed < 0 || removed > reached) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "elimination curve, width",
                .found = std::to_string(width),
                .expected = std::to_string(units - reached) + " to " + std::to_string(units),
                .remedy = "Ask for a width that the elimination reached"};
  }
  return removed == 0 ? 0.0 : cost[static_cast<std::size_t>(removed - 1)];
}

std::vector<std::int32_t> EliminationCurve::survivors(std::int64_t width) const {
  cost_at(width);
  std::vector<bool> keep(static_cast<std::size_t>(units), true);
  for (std::int64_t i = 0; i < units - width; ++i) {
    keep[static_cast<std::size_t>(order[static_cast<std::size_t>(i)])] = false;
  }
  std::vector<std::int32_t> kept;
  kept.reserve(static_cast<std::size_t>(width));
  for (std::int32_t j = 0; j < units; ++j) {
    if (keep[static_cast<std::size_t>(j)]) {
      kept.push_back(j);
    }
  }
  return kept;
}

}  // namespace cce
