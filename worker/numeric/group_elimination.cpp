#include "worker/numeric/group_elimination.h"

#include <optional>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "worker/numeric/host_matrix.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

void check_groups(std::span<const std::vector<std::int32_t>> groups, std::int64_t features,
                  std::int64_t minimum_groups) {
  const auto refuse = [](const std::string& found, const std::string& expected) {
    throw Error{.code = ErrorCode::out_of_range,
                .where = "group elimination",
                .found = found,
                .expected = expected,
                .remedy = "Pass disjoint groups of the covariance's features"};
  };
  std::vector<bool> seen(static_cast<std::size_t>(features), false);
  for (const auto& group : groups) {
    for (const std::int32_t feature : group) {
      if (group.empty() || feature < 0 || feature >= features || seen[static_cast<std::size_t>(feature)]) {
        refuse("feature " + std::to_string(feature),
               "features below " + std::to_string(features) + ", each in one group");
      }
      seen[static_cast<std::size_t>(feature)] = true;
    }
  }
  if (minimum_groups < 0 || minimum_groups > static_cast<std::int64_t>(groups.size())) {
    refuse("minimum_groups " + std::to_string(minimum_groups), "0 to " + std::to_string(groups.size()));
  }
}

/// L_g and L_g⁻¹ W̃_g of one group, and what its removal costs in the quadratic form.
struct GroupCost {
  OwnedMatrix factor;
  OwnedMatrix solved_outputs;
  double cost = 0.0;
};

GroupCost evaluate_group(Backend& backend, ConstMatrix inverse, ConstMatrix outputs,
                         std::span<const std::int32_t> group) {
  GroupCost result{select_block(backend, inverse, group, group), select_rows(backend, outputs, group)};
  cholesky_or_throw(backend, result.factor.view(), "group elimination, block of the inverse",
                    "raise the covariance's ridge");
  ops::triangular_solve(backend, result.factor.view(), Transpose::no, result.solved_outputs.view());
  result.cost = 0.5 * inner_product(backend, std::as_const(result).solved_outputs.view(),
                                    std::as_const(result).solved_outputs.view());
  return result;
}

}  // namespace

EliminationCurve eliminate_groups(Backend& backend, ConstMatrix covariance, ConstMatrix weighted_outputs,
                                  std::span<const std::vector<std::int32_t>> groups,
                                  const GroupEliminationOptions& options) {
  const std::int64_t n = covariance.rows;
  expect_f64(covariance, n, n, "group elimination, covariance");
  expect_f64(weighted_outputs, n, weighted_outputs.cols, "group elimination, weighted outputs");
  check_groups(groups, n, options.minimum_groups);
  OwnedMatrix inverse = regularized_covariance(backend, covariance, options.ridge_lambda);  // 1.
  cholesky_or_throw(backend, inverse.view(), "group elimination, covariance", "raise the covariance's ridge");
  ops::cholesky_inverse(backend, inverse.view());
  OwnedMatrix outputs = copy_f64(backend, weighted_outputs);

  EliminationCurve curve{.units = static_cast<std::int64_t>(groups.size()), .order = {}, .cost = {}};
  std::vector<bool> removed(groups.size(), false);
  double total = 0.0;
  while (curve.units - static_cast<std::int64_t>(curve.order.size()) > options.minimum_groups) {
    std::size_t cheapest = 0;
    std::optional<GroupCost> best;
    for (std::size_t g = 0; g < groups.size(); ++g) {  // 2.
      if (removed[g]) {
        continue;
      }
      GroupCost candidate = evaluate_group(backend, inverse.view(), outputs.view(), groups[g]);
      if (!best || candidate.cost < best->cost) {
        best = std::move(candidate);
        cheapest = g;
      }
    }
    removed[cheapest] = true;
    total += options.nats_per_unit * best->cost;
    curve.order.push_back(static_cast<std::int32_t>(cheapest));
    curve.cost.push_back(total);
    OwnedMatrix u = select_rows(backend, inverse.view(), groups[cheapest]);  // 3.
    ops::triangular_solve(backend, best->factor.view(), Transpose::no, u.view());
    ops::multiply(backend, u.view(), Transpose::yes, u.view(), Transpose::no, inverse.view(), -1.0, 1.0);
    ops::multiply(backend, u.view(), Transpose::yes, best->solved_outputs.view(), Transpose::no,
                  outputs.view(), -1.0, 1.0);
  }
  return curve;
}

}  // namespace cce
