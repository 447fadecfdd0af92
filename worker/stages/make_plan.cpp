#include "worker/stages/make_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "common/error.h"
#include "common/format_rules.h"
#include "worker/numeric/spectrum.h"
#include "worker/stages/plan_options.h"

namespace cce {
namespace {

/// What a layer keeps, before it is known which neurons and pairs these are.
struct LayerWidths {
  std::int64_t ffn = 0;
  AttentionOption attention;
};

struct Widths {
  std::vector<LayerWidths> layers;
  double price = 0.0;
};

class Planner {
 public:
  Planner(const JobSpec& spec, const ModelConfig& dense, const ModelAnalysis& analysis)
      : spec_(spec),
        dense_(dense),
        analysis_(analysis),
        base_(with_refit_biases(dense, spec.export_settings.format)),
        budget_(spec, base_) {}

  CompressionPlan run() {
    if (spec_.target.kind == TargetKind::threshold) {
      return to_plan(threshold_widths());
    }
    return to_plan(widths_are_shared(spec_.export_settings.format) ? shared_widths() : water_filled_widths());
  }

 private:
  std::size_t layers() const { return dense_.layers.size(); }

  FfnChoices ffn_of(std::size_t layer) const {
    FfnChoices choices = ffn_choices(base_.layers[layer], analysis_.layers[layer],
                                     analysis_.ffn.cost_factor[layer], spec_, budget_);
    choices.curve.unit = "layer " + std::to_string(layer) + ", ffn";
    return choices;
  }
  AttentionChoices attention_of(std::size_t layer) const {
    AttentionChoices choices = attention_choices(base_.layers[layer], analysis_.layers[layer],
                                                 analysis_.attention.cost_factor[layer], spec_, budget_);
    choices.curve.unit = "layer " + std::to_string(layer) + ", attention";
    return choices;
  }

  Widths water_filled_widths() const {
    std::vector<FfnChoices> ffn(layers());
    std::vector<AttentionChoices> attention(layers());
    std::vector<CostCurve> curves;
    std::vector<std::size_t> ffn_curve(layers()), attention_curve(layers());
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (dense_.layers[layer].has_ffn) {
        ffn[layer] = ffn_of(layer);
        ffn_curve[layer] = curves.size();
        curves.push_back(ffn[layer].curve);
      }
      if (dense_.layers[layer].has_attention) {
        attention[layer] = attention_of(layer);
        attention_curve[layer] = curves.size();
        curves.push_back(attention[layer].curve);
      }
    }
    const std::int64_t target = budget_.to_remove(dense_);
    const Allocation allocation =
        spec_.encode.equal_budgets ? equal_budgets(curves, target) : water_fill(curves, target);
    Widths result{std::vector<LayerWidths>(layers()), allocation.price};
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (dense_.layers[layer].has_ffn) {
        result.layers[layer].ffn = ffn[layer].widths[allocation.choice[ffn_curve[layer]]];
      }
      if (dense_.layers[layer].has_attention) {
        result.layers[layer].attention = attention[layer].options[allocation.choice[attention_curve[layer]]];
      }
    }
    return result;
  }

  /// One FFN width and one count of groups for all layers: few enough pairs to look at each.
  Widths shared_widths() const {
    const FfnChoices first_ffn = ffn_of(0);
    const AttentionChoices first_attention = attention_of(0);
    std::vector<CostCurve> ffn_curves, attention_curves;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      ffn_curves.push_back(ffn_of(layer).curve);
      attention_curves.push_back(attention_of(layer).curve);
    }
    const CostCurve ffn = sum_curves(ffn_curves, "ffn of all layers");
    const CostCurve attention = sum_curves(attention_curves, "attention of all layers");
    const std::int64_t target = budget_.to_remove(dense_);
    double best_cost = std::numeric_limits<double>::infinity();
    std::int64_t best_removed = 0;
    LayerWidths best;
    for (std::size_t i = 0; i < ffn.points.size(); ++i) {
      for (std::size_t j = 0; j < attention.points.size(); ++j) {
        const std::int64_t removed = ffn.points[i].removed + attention.points[j].removed;
        const double cost = ffn.points[i].cost_nats + attention.points[j].cost_nats;
        if (removed >= target && cost < best_cost) {
          best_cost = cost;
          best_removed = removed;
          best = {first_ffn.widths[i], first_attention.options[j]};
        }
      }
    }
    if (!std::isfinite(best_cost)) {
      refuse(ffn.points.back().removed + attention.points.back().removed, target);
    }
    const double price = best_removed > 0 ? best_cost / static_cast<double>(best_removed) : 0.0;
    return {std::vector<LayerWidths>(layers(), best), price};
  }

  [[noreturn]] void refuse(std::int64_t reachable, std::int64_t target) const {
    throw Error{.code = ErrorCode::unreachable_target,
                .where = "target, export.format=" + std::string(format_name(spec_.export_settings.format)),
                .found = std::to_string(target) + " to remove",
                .expected = "at most " + std::to_string(reachable),
                .remedy = "lower the target, or allow more structures, or choose export.format=custom"};
  }

  Widths threshold_widths() const {
    Widths result{std::vector<LayerWidths>(layers()), 0.0};
    std::int64_t ffn_sum = 0;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const LayerShape& shape = dense_.layers[layer];
      LayerWidths& widths = result.layers[layer];
      widths.attention = {shape.kv_groups, shape.vo_dim, shape.qk_dim};
      widths.ffn = round_up(Structure::ffn, analysis_.layers[layer].ffn_components, shape.ffn_width);
      const std::int64_t features = shape.query_heads() * shape.vo_dim;
      if (features > 0) {
        const std::int64_t kept =
            (analysis_.layers[layer].attention_components * shape.vo_dim + features - 1) / features;
        widths.attention.vo_dim = round_up(Structure::vo, kept, shape.vo_dim);
      }
      ffn_sum += widths.ffn;
    }
    if (widths_are_shared(spec_.export_settings.format)) {
      // One width for all: the mean of what the rule leaves, rounded up.
      const std::int64_t mean = ffn_sum / static_cast<std::int64_t>(layers());
      for (std::size_t layer = 0; layer < layers(); ++layer) {
        result.layers[layer].ffn = round_up(Structure::ffn, mean, dense_.layers[layer].ffn_width);
      }
    }
    return result;
  }

  /// The smallest width ≥ `width` that the format carries; the dense one where the structure is not to be
  /// touched.
  std::int64_t round_up(Structure structure, std::int64_t width, std::int64_t dense_width) const {
    const std::vector<Structure> structures = resolved_structures(spec_);
    if (dense_width == 0 || std::find(structures.begin(), structures.end(), structure) == structures.end()) {
      return dense_width;
    }
    const std::vector<std::int64_t> widths = representable_widths(
        spec_.export_settings.format, structure, dense_width, spec_.export_settings.round_to);
    return *std::lower_bound(widths.begin(), widths.end(), std::min(width, dense_width));
  }

  CompressionPlan to_plan(const Widths& widths) const {
    CompressionPlan plan = keep_all(dense_);
    plan.price = widths.price;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const LayerAnalysis& analysis = analysis_.layers[layer];
      LayerPlan& kept = plan.layers[layer];
      if (kept.keep_ffn) {
        kept.ffn_neurons = analysis.ffn.survivors(widths.layers[layer].ffn);
        kept.predicted_ffn_nats = analysis.ffn.cost_at(widths.layers[layer].ffn);
      }
      if (kept.keep_attention) {
        const AttentionOption& option = widths.layers[layer].attention;
        kept.kv_groups = analysis.kv_groups.survivors(option.kv_groups);
        kept.vo_dim = option.vo_dim;
        kept.rope_pairs.clear();
        for (const std::int32_t group : kept.kv_groups) {
          kept.rope_pairs.push_back(
              analysis.rope_pairs[static_cast<std::size_t>(group)].survivors(option.qk_dim / 2));
        }
        kept.predicted_attention_nats = attention_cost(dense_.layers[layer], analysis, option);
      }
    }
    return plan;
  }

  const JobSpec& spec_;
  const ModelConfig& dense_;
  const ModelAnalysis& analysis_;
  ModelConfig base_;
  Budget budget_;
};

}  // namespace

ModelConfig with_refit_biases(ModelConfig config, ExportFormat format) {
  if (format == ExportFormat::custom) {
    for (LayerShape& shape : config.layers) {
      shape.o_bias = shape.o_bias || shape.has_attention;
      shape.down_bias = shape.down_bias || shape.has_ffn;
    }
  }
  return config;
}

CompressionPlan make_plan(const JobSpec& spec, const ModelConfig& dense, const ModelAnalysis& analysis) {
  return Planner(spec, dense, analysis).run();
}

}  // namespace cce
