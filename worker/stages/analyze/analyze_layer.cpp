#include "worker/stages/analyze/analyze_layer.h"

#include <algorithm>

#include "worker/numeric/column_elimination.h"
#include "worker/numeric/gram.h"
#include "worker/numeric/group_elimination.h"
#include "worker/numeric/loss_weighting.h"
#include "worker/numeric/rotary_selection.h"
#include "worker/numeric/spectrum.h"
#include "worker/stages/analyze/feature_groups.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

constexpr std::int64_t reported_eigenvalues = 256;

/// Eigenvalues for the report and, where the target is a threshold, how many components the paper's rule
/// keeps.
struct ComponentCount {
  std::vector<double> spectrum;
  std::int64_t kept = 0;
};

ComponentCount count_components(Backend& backend, const SubBlockStatistics& statistics,
                                const LossMetric& metric, double largest_singular, double tokens,
                                const Target& target) {
  const OwnedMatrix centred =
      centred_covariance(backend, statistics.covariance.view(), statistics.feature_sum.view(),
                         static_cast<std::int64_t>(tokens));
  ComponentCount result;
  result.kept = centred.rows();
  if (target.kind != TargetKind::threshold) {
    result.spectrum =
        leading_eigenvalues(backend, centred.view(), std::min(reported_eigenvalues, centred.rows()));
    return result;
  }
  result.spectrum = all_eigenvalues(backend, centred.view());
  const std::vector<double> singular = weighted_singular_values(backend, metric.weighted_outputs.view());
  result.kept -= count_redundant(result.spectrum, singular, largest_singular, target.epsilon, target.tau);
  result.spectrum.resize(std::min(result.spectrum.size(), static_cast<std::size_t>(reported_eigenvalues)));
  return result;
}

double largest_singular_value(Backend& backend, const LossMetric& metric) {
  return metric.weighted_outputs.rows() > 0
             ? weighted_singular_values(backend, metric.weighted_outputs.view())[0]
             : 0.0;
}

void analyze_ffn(Backend& backend, const LossMetric& metric, const JobSpec& spec, LayerAnalysis& result) {
  EliminationOptions options;
  options.block = spec.encode.elimination_block;
  options.ridge_lambda = covariance_ridge;
  result.ffn = eliminate_columns(backend, metric.covariance.view(), metric.weighted_outputs.view(), options);
}

void analyze_attention(Backend& backend, const LayerShape& shape, const LossMetric& metric,
                       const LayerStatistics& statistics, double tokens, LayerAnalysis& result) {
  result.vo_cost.assign(static_cast<std::size_t>(shape.vo_dim) + 1, 0.0);
  for (const HeadSpectrum& spectrum : value_output_spectra(backend, shape, metric)) {
    for (std::int64_t rank = 0; rank <= shape.vo_dim; ++rank) {
      result.vo_cost[static_cast<std::size_t>(rank)] += spectrum.cost_at(rank);
    }
  }
  const std::int64_t pairs = shape.qk_dim / 2;
  const OwnedMatrix moment = scaled_copy(backend, statistics.pair_covariance.view(), 1.0 / tokens);
  const HostRead host_moment(backend, moment.view());
  for (std::int64_t group = 0; group < shape.kv_groups; ++group) {
    result.rope_pairs.push_back(
        order_rotary_pairs(host_moment.view().block(group * pairs, group * pairs, pairs, pairs), 1.0));
  }
  GroupEliminationOptions options;
  options.ridge_lambda = covariance_ridge;
  options.minimum_groups = 1;
  result.kv_groups = eliminate_groups(backend, metric.covariance.view(), metric.weighted_outputs.view(),
                                      features_of_groups(shape), options);
}

}  // namespace

std::vector<HeadSpectrum> value_output_spectra(Backend& backend, const LayerShape& shape,
                                               const LossMetric& metric) {
  std::vector<HeadSpectrum> result;
  const std::int64_t heads = shape.queries_per_group;
  for (std::int64_t group = 0; group < shape.kv_groups; ++group) {
    OwnedMatrix second_moment = backend.zeros(DType::f64, shape.vo_dim, shape.vo_dim);
    for (std::int64_t head = 0; head < heads; ++head) {
      const std::int64_t first = first_feature_of_head(shape, group, head);
      ops::add(backend, metric.covariance.view().block(first, first, shape.vo_dim, shape.vo_dim),
               second_moment.view(), 1.0 / static_cast<double>(heads));
    }
    const ConstMatrix outputs = metric.weighted_outputs.view().rows_from(
        first_feature_of_head(shape, group, 0), heads * shape.vo_dim);
    const OwnedMatrix output_moment = output_metric(backend, outputs, shape.vo_dim);
    result.push_back(
        factor_value_output(backend, second_moment.view(), output_moment.view(), covariance_ridge));
  }
  return result;
}

LayerAnalysis analyze_layer(Backend& backend, const LayerWeights& weights, const LayerStatistics& statistics,
                            double tokens, const JobSpec& spec) {
  LayerAnalysis result;
  LossMetric ffn, attention;
  if (weights.shape.has_ffn) {
    ffn = make_loss_metric(backend, statistics.ffn, weights.down, tokens, spec.encode);
    analyze_ffn(backend, ffn, spec, result);
  }
  if (weights.shape.has_attention) {
    attention = make_loss_metric(backend, statistics.attention, weights.o, tokens, spec.encode);
    analyze_attention(backend, weights.shape, attention, statistics, tokens, result);
  }
  const double largest =
      spec.target.kind == TargetKind::threshold
          ? std::max(largest_singular_value(backend, ffn), largest_singular_value(backend, attention))
          : 0.0;
  if (weights.shape.has_ffn) {
    const ComponentCount count = count_components(backend, statistics.ffn, ffn, largest, tokens, spec.target);
    result.ffn_spectrum = count.spectrum;
    result.ffn_components = count.kept;
  }
  if (weights.shape.has_attention) {
    const ComponentCount count =
        count_components(backend, statistics.attention, attention, largest, tokens, spec.target);
    result.attention_spectrum = count.spectrum;
    result.attention_components = count.kept;
  }
  return result;
}

}  // namespace cce
