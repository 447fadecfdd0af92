#include "worker/stages/plan/make_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "common/base/error.h"
#include "common/model/format_rules.h"
#include "common/model/formats/format.h"
#include "worker/numeric/spectrum.h"
#include "worker/stages/plan/plan_options.h"

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
  double cost_nats = 0.0;  ///< predicted, dropped layers included
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
    check_drop_costs();
    make_choices();
    return to_plan(cheapest_widths());
  }

 private:
  using Layers = std::vector<std::size_t>;

  std::size_t layers() const { return dense_.layers.size(); }

  bool drops_blocks() const { return uses_structure(spec_, Structure::blocks); }
  bool drops_layers() const { return uses_structure(spec_, Structure::layers); }

  void check_drop_costs() const {
    const DropCosts& costs = analysis_.drop_costs;
    const bool blocks_known = costs.ffn.size() == layers() && costs.attention.size() == layers();
    if ((drops_blocks() && !blocks_known) || (drops_layers() && costs.layers.size() != layers())) {
      throw Error{.code = ErrorCode::invalid_argument,
                  .where = "analysis, drop_costs",
                  .found = "no cost for some layer",
                  .expected = "a measured cost for every part that structures allow to drop",
                  .remedy = "Analyze the model again with these structures"};
    }
  }

  void make_choices() {
    const std::optional<std::size_t> staying = dearest_layer();
    const bool blocks = drops_blocks();
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const bool stays = layer == staying;
      const LayerShape& shape = dense_.layers[layer];
      const bool ffn_is_dearer =
          blocks && shape.has_ffn &&
          (!shape.has_attention || analysis_.drop_costs.ffn[layer] > analysis_.drop_costs.attention[layer]);
      std::optional<double> ffn_drop, attention_drop;
      if (blocks && shape.has_ffn && !(stays && ffn_is_dearer)) {
        ffn_drop = analysis_.drop_costs.ffn[layer];
      }
      if (blocks && shape.has_attention && !(stays && !ffn_is_dearer)) {
        attention_drop = analysis_.drop_costs.attention[layer];
      }
      add_choices(layer, ffn_drop, attention_drop);
    }
  }

  void add_choices(std::size_t layer, std::optional<double> ffn_drop, std::optional<double> attention_drop) {
    ffn_.emplace_back();
    attention_.emplace_back();
    if (dense_.layers[layer].has_ffn) {
      ffn_[layer] = ffn_choices(base_.layers[layer], analysis_.layers[layer],
                                analysis_.ffn.cost_factor[layer], spec_, budget_, ffn_drop);
      ffn_[layer].curve.unit = "layer " + std::to_string(layer) + ", ffn";
    }
    if (dense_.layers[layer].has_attention) {
      attention_[layer] =
          attention_choices(base_.layers[layer], analysis_.layers[layer],
                            analysis_.attention.cost_factor[layer], spec_, budget_, attention_drop);
      attention_[layer].curve.unit = "layer " + std::to_string(layer) + ", attention";
    }
  }

  /// The layer that costs most to leave out: a part of it stays, whatever the target.
  std::optional<std::size_t> dearest_layer() const {
    const DropCosts& costs = analysis_.drop_costs;
    std::optional<std::size_t> dearest;
    const auto cost_of = [&](std::size_t layer) {
      return costs.layers.empty() ? costs.ffn[layer] + costs.attention[layer] : costs.layers[layer];
    };
    const bool measured = !costs.layers.empty() || !costs.ffn.empty();
    for (std::size_t layer = 0; measured && layer < layers(); ++layer) {
      const LayerShape& shape = dense_.layers[layer];
      if ((shape.has_ffn || shape.has_attention) && (!dearest || cost_of(layer) > cost_of(*dearest))) {
        dearest = layer;
      }
    }
    return dearest;
  }

  /// Layers in the order in which they go, cheapest first; the most expensive one stays.
  Layers drop_order() const {
    Layers order;
    if (!drops_layers()) {
      return order;
    }
    const std::optional<std::size_t> staying = dearest_layer();
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (layer != staying && budget_.amount(base_.layers[layer]) > 0) {
        order.push_back(layer);
      }
    }
    const std::vector<double>& costs = analysis_.drop_costs.layers;
    std::stable_sort(order.begin(), order.end(),
                     [&costs](std::size_t a, std::size_t b) { return costs[a] < costs[b]; });
    return order;
  }

  /// The best choice on the layers that stay, for every number of layers dropped; the cheapest of these.
  Widths cheapest_widths() const {
    const std::int64_t target = budget_.to_remove(dense_);
    const Layers order = drop_order();
    Layers kept;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      if (dense_.layers[layer].has_ffn || dense_.layers[layer].has_attention) {
        kept.push_back(layer);
      }
    }
    std::optional<Widths> best;
    std::int64_t dropped = 0;
    std::int64_t reachable = 0;
    double dropped_nats = 0.0;
    for (std::size_t count = 0; count <= order.size(); ++count) {
      if (count > 0) {
        const std::size_t layer = order[count - 1];
        kept.erase(std::find(kept.begin(), kept.end(), layer));
        dropped += budget_.amount(base_.layers[layer]);
        dropped_nats += analysis_.drop_costs.layers[layer];
      }
      const std::int64_t rest = std::max<std::int64_t>(target - dropped, 0);
      const std::int64_t within = reachable_within(kept);
      reachable = std::max(reachable, dropped + within);
      if (within >= rest) {
        Widths widths = widths_are_shared(spec_.export_settings.format) ? shared_widths(kept, rest)
                                                                        : water_filled_widths(kept, rest);
        widths.cost_nats += dropped_nats;
        if (!best || widths.cost_nats < best->cost_nats) {
          best = std::move(widths);
        }
      }
      if (rest == 0) {
        break;
      }
    }
    if (!best) {
      refuse(reachable, target);
    }
    return *best;
  }

  std::int64_t reachable_within(const Layers& kept) const {
    std::int64_t sum = 0;
    for (const std::size_t layer : kept) {
      for (const CostCurve* curve : {&ffn_[layer].curve, &attention_[layer].curve}) {
        sum += curve->points.empty() ? 0 : curve->points.back().removed;
      }
    }
    return sum;
  }

  Widths water_filled_widths(const Layers& kept, std::int64_t target) const {
    std::vector<CostCurve> curves;
    for (const std::size_t layer : kept) {
      for (const CostCurve* curve : {&ffn_[layer].curve, &attention_[layer].curve}) {
        if (!curve->points.empty()) {
          curves.push_back(*curve);
        }
      }
    }
    const Allocation allocation =
        spec_.encode.equal_budgets ? equal_budgets(curves, target) : water_fill(curves, target);
    Widths result{std::vector<LayerWidths>(layers()), allocation.price, allocation.cost_nats};
    std::size_t unit = 0;
    for (const std::size_t layer : kept) {
      if (dense_.layers[layer].has_ffn) {
        result.layers[layer].ffn = ffn_[layer].widths[allocation.choice[unit++]];
      }
      if (dense_.layers[layer].has_attention) {
        result.layers[layer].attention = attention_[layer].options[allocation.choice[unit++]];
      }
    }
    return result;
  }

  /// One FFN width and one count of groups for all layers that stay: few enough pairs to look at each.
  Widths shared_widths(const Layers& kept, std::int64_t target) const {
    std::vector<CostCurve> ffn_curves, attention_curves;
    for (const std::size_t layer : kept) {
      ffn_curves.push_back(ffn_[layer].curve);
      attention_curves.push_back(attention_[layer].curve);
    }
    const CostCurve ffn = sum_curves(ffn_curves, "ffn of all layers");
    const CostCurve attention = sum_curves(attention_curves, "attention of all layers");
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
          best = {ffn_[kept.front()].widths[i], attention_[kept.front()].options[j]};
        }
      }
    }
    const double price = best_removed > 0 ? best_cost / static_cast<double>(best_removed) : 0.0;
    Widths result{std::vector<LayerWidths>(layers()), price, best_cost};
    for (const std::size_t layer : kept) {
      result.layers[layer] = best;
    }
    return result;
  }

  [[noreturn]] void refuse(std::int64_t reachable, std::int64_t target) const {
    throw Error{.code = ErrorCode::unreachable_target,
                .where = "target, export.format=" + std::string(format_name(spec_.export_settings.format)),
                .found = std::to_string(target) + " to remove",
                .expected = "at most " + std::to_string(reachable),
                .remedy = "Lower the target, or allow more structures, or choose export.format=" +
                          formats_of_differing_layers()};
  }

  Widths threshold_widths() const {
    Widths result{std::vector<LayerWidths>(layers()), 0.0};
    std::int64_t ffn_sum = 0;
    for (std::size_t layer = 0; layer < layers(); ++layer) {
      const LayerShape& shape = dense_.layers[layer];
      const LayerAnalysis& analysis = analysis_.layers[layer];
      const double largest_singular =
          std::max(largest(analysis.ffn_spectra.singular), largest(analysis.attention_spectra.singular));
      LayerWidths& widths = result.layers[layer];
      widths.attention = {shape.kv_groups, shape.vo_dim, shape.qk_dim};
      widths.ffn =
          round_up(Structure::ffn, components_kept(analysis.ffn_spectra, largest_singular), shape.ffn_width);
      const std::int64_t features = shape.query_heads() * shape.vo_dim;
      if (features > 0) {
        const std::int64_t kept =
            (components_kept(analysis.attention_spectra, largest_singular) * shape.vo_dim + features - 1) /
            features;
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

  static double largest(const std::vector<double>& descending) {
    return descending.empty() ? 0.0 : descending.front();
  }
  /// Components of a sub-block that are not redundant by the paper's rule.
  std::int64_t components_kept(const SubBlockSpectra& spectra, double largest_singular) const {
    return static_cast<std::int64_t>(spectra.eigenvalues.size()) -
           count_redundant(spectra.eigenvalues, spectra.singular, largest_singular, spec_.target.epsilon,
                           spec_.target.tau);
  }

  /// The smallest width ≥ `width` that the format carries; the dense one where the structure is not to be
  /// touched.
  std::int64_t round_up(Structure structure, std::int64_t width, std::int64_t dense_width) const {
    if (dense_width == 0 || !uses_structure(spec_, structure)) {
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
      LayerPlan& kept = plan.layers[layer];
      const bool drops_ffn = kept.keep_ffn && widths.layers[layer].ffn == 0;
      const bool drops_attention = kept.keep_attention && widths.layers[layer].attention.kv_groups == 0;
      const bool drops_layer = drops_ffn == kept.keep_ffn && drops_attention == kept.keep_attention;
      if (drops_ffn) {
        drop_ffn(kept);
      } else if (kept.keep_ffn) {
        keep_ffn(analysis_.layers[layer], widths.layers[layer].ffn, kept);
      }
      if (drops_attention) {
        drop_attention(kept);
      } else if (kept.keep_attention) {
        keep_attention(layer, widths.layers[layer].attention, kept);
      }
      predict_drops(layer, drops_layer, drops_ffn, drops_attention, kept);
    }
    return plan;
  }

  static void drop_ffn(LayerPlan& kept) {
    kept.keep_ffn = false;
    kept.ffn_neurons.clear();
  }
  static void drop_attention(LayerPlan& kept) {
    kept.keep_attention = false;
    kept.kv_groups.clear();
    kept.vo_dim = 0;
    kept.rope_pairs.clear();
  }

  static void keep_ffn(const LayerAnalysis& analysis, std::int64_t width, LayerPlan& kept) {
    kept.ffn_neurons = analysis.ffn.survivors(width);
    kept.predicted_ffn_nats = analysis.ffn.cost_at(width);
  }
  void keep_attention(std::size_t layer, const AttentionOption& option, LayerPlan& kept) const {
    const LayerAnalysis& analysis = analysis_.layers[layer];
    kept.kv_groups = analysis.kv_groups.survivors(option.kv_groups);
    kept.vo_dim = option.vo_dim;
    kept.rope_pairs.clear();
    for (const std::int32_t group : kept.kv_groups) {
      kept.rope_pairs.push_back(
          analysis.rope_pairs[static_cast<std::size_t>(group)].survivors(option.qk_dim / 2));
    }
    kept.predicted_attention_nats = attention_cost(dense_.layers[layer], analysis, option);
  }

  /// What was measured for the dropped parts. A whole layer has one figure: it stands at the attention, or at
  /// the FFN where that is all the layer had.
  void predict_drops(std::size_t layer, bool drops_layer, bool drops_ffn, bool drops_attention,
                     LayerPlan& kept) const {
    const DropCosts& costs = analysis_.drop_costs;
    if (drops_layer && !costs.layers.empty()) {
      (drops_attention ? kept.predicted_attention_nats : kept.predicted_ffn_nats) = costs.layers[layer];
      return;
    }
    if (drops_ffn) {
      kept.predicted_ffn_nats = costs.ffn[layer];
    }
    if (drops_attention) {
      kept.predicted_attention_nats = costs.attention[layer];
    }
  }

  const JobSpec& spec_;
  const ModelConfig& dense_;
  const ModelAnalysis& analysis_;
  ModelConfig base_;
  Budget budget_;
  std::vector<FfnChoices> ffn_;  ///< per layer; no points where the layer has none
  std::vector<AttentionChoices> attention_;
};

}  // namespace

ModelConfig with_refit_biases(ModelConfig config, ExportFormat format) {
  if (rules_of(format).adds_output_biases) {
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
