#include "worker/stages/plan/plan_options.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "common/cost/sizes.h"
#include "common/model/format_rules.h"

namespace cce {
namespace {

std::int64_t bytes_per_weight(const ExportSettings& settings) {
  return cost::export_value_bytes(settings.dtype);
}

std::vector<std::int64_t> widths_of(const JobSpec& spec, Structure structure, std::int64_t dense_width) {
  if (!uses_structure(spec, structure)) {
    return {dense_width};
  }
  return representable_widths(spec.export_settings.format, structure, dense_width,
                              spec.export_settings.round_to);
}

}  // namespace

Budget::Budget(const JobSpec& spec, const ModelConfig& base)
    : kind_(spec.target.kind),
      wanted_(spec.target.amount),
      length_(spec.calibration.length),
      bytes_per_weight_(bytes_per_weight(spec.export_settings)),
      base_(base),
      without_layers_(base) {
  without_layers_.layers.clear();
}

std::int64_t Budget::amount_of(const ModelConfig& config) const {
  switch (kind_) {
    case TargetKind::remove_flops:
      return static_cast<std::int64_t>(std::llround(flops_per_token(config, length_)));
    case TargetKind::fit_bytes:
      return total_parameters(config) * bytes_per_weight_;
    case TargetKind::remove_params:
    case TargetKind::threshold:
      break;
  }
  return block_parameters(config);
}

std::int64_t Budget::amount(const LayerShape& shape) const {
  ModelConfig one = without_layers_;
  one.layers.push_back(shape);
  return amount_of(one) - amount_of(without_layers_);
}

std::int64_t Budget::to_remove(const ModelConfig& dense) const {
  const std::int64_t whole = amount_of(dense);
  const std::int64_t most_left =
      kind_ == TargetKind::fit_bytes
          ? static_cast<std::int64_t>(wanted_)
          : whole - static_cast<std::int64_t>(std::ceil(wanted_ * static_cast<double>(whole)));
  return std::max<std::int64_t>(amount_of(base_) - most_left, 0);
}

FfnChoices ffn_choices(const LayerShape& shape, const LayerAnalysis& analysis, double cost_factor,
                       const JobSpec& spec, const Budget& budget, std::optional<double> drop_nats) {
  FfnChoices result;
  const std::int64_t whole = budget.amount(shape);
  std::vector<std::int64_t> widths = widths_of(spec, Structure::ffn, shape.ffn_width);
  std::reverse(widths.begin(), widths.end());
  for (const std::int64_t width : widths) {
    LayerShape smaller = shape;
    smaller.ffn_width = width;
    result.widths.push_back(width);
    result.curve.points.push_back(
        {whole - budget.amount(smaller), cost_factor * analysis.ffn.cost_at(width)});
  }
  LayerShape without = shape;
  without.has_ffn = false;
  result.curve.whole = whole - budget.amount(without);
  if (drop_nats) {
    result.widths.push_back(0);
    result.curve.points.push_back({result.curve.whole, *drop_nats});
  }
  return result;
}

double attention_cost(const LayerShape& shape, const LayerAnalysis& analysis, const AttentionOption& option) {
  double pair_cost = 0.0;
  for (const EliminationCurve& group : analysis.rope_pairs) {
    pair_cost += std::max(group.cost_at(option.qk_dim / 2), 0.0);
  }
  const double share = static_cast<double>(option.kv_groups) / static_cast<double>(shape.kv_groups);
  return analysis.kv_groups.cost_at(option.kv_groups) +
         share * (analysis.vo_cost[static_cast<std::size_t>(option.vo_dim)] + pair_cost);
}

AttentionChoices attention_choices(const LayerShape& shape, const LayerAnalysis& analysis, double cost_factor,
                                   const JobSpec& spec, const Budget& budget,
                                   std::optional<double> drop_nats) {
  const std::int64_t whole = budget.amount(shape);
  const std::vector<std::int64_t> qk_widths =
      shape.keeps_qk_whole() ? std::vector{shape.qk_dim} : widths_of(spec, Structure::qk, shape.qk_dim);
  const std::vector<std::int64_t> group_counts = shape.keeps_groups_whole()
                                                     ? std::vector{shape.kv_groups}
                                                     : widths_of(spec, Structure::kv_groups, shape.kv_groups);
  std::map<std::int64_t, std::pair<double, AttentionOption>> cheapest;  // by amount removed
  for (const std::int64_t groups : group_counts) {
    for (const std::int64_t vo_dim : widths_of(spec, Structure::vo, shape.vo_dim)) {
      for (const std::int64_t qk_dim : qk_widths) {
        const AttentionOption option{groups, vo_dim, qk_dim};
        LayerShape smaller = shape;
        smaller.kv_groups = groups;
        smaller.vo_dim = vo_dim;
        smaller.qk_dim = qk_dim;
        const double cost = cost_factor * attention_cost(shape, analysis, option);
        const auto [place, is_new] = cheapest.try_emplace(whole - budget.amount(smaller), cost, option);
        if (!is_new && cost < place->second.first) {
          place->second = {cost, option};
        }
      }
    }
  }
  AttentionChoices result;
  for (const auto& [removed, choice] : cheapest) {
    result.curve.points.push_back({removed, choice.first});
    result.options.push_back(choice.second);
  }
  LayerShape without = shape;
  without.has_attention = false;
  result.curve.whole = whole - budget.amount(without);
  if (drop_nats) {
    result.options.push_back({});
    result.curve.points.push_back({result.curve.whole, *drop_nats});
  }
  return result;
}

}  // namespace cce
