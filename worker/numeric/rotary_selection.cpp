#include "worker/numeric/rotary_selection.h"

#include <string>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"

namespace cce {

EliminationCurve order_rotary_pairs(ConstMatrix moment, double nats_per_unit) {
  const std::int64_t pairs = moment.rows;
  expect_f64(moment, pairs, pairs, "rotary pairs, moment");
  EliminationCurve curve{.units = pairs, .order = {}, .cost = {}};
  const auto count = static_cast<std::size_t>(pairs);
  std::vector<double> increment(count);
  std::vector<bool> removed(count, false);
  for (std::size_t j = 0; j < count; ++j) {
    increment[j] = 0.5 * row_of(moment, static_cast<std::int64_t>(j))[j];
  }
  double total = 0.0;
  for (std::size_t step = 0; step < count; ++step) {
    std::size_t best = count;
    for (std::size_t j = 0; j < count; ++j) {
      if (!removed[j] && (best == count || increment[j] < increment[best])) {
        best = j;
      }
    }
    removed[best] = true;
    total += nats_per_unit * increment[best];
    curve.order.push_back(static_cast<std::int32_t>(best));
    curve.cost.push_back(total);
    const double* row = row_of(moment, static_cast<std::int64_t>(best));
    for (std::size_t j = 0; j < count; ++j) {
      increment[j] += row[j];
    }
  }
  return curve;
}

}  // namespace cce
