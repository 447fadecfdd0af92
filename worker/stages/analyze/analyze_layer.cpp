#include "worker/stages/analyze/analyze_layer.h"

#include <algorithm>

#include "worker/numeric/column_elimination.h"
#include "worker/numeric/gram.h"
#include "worker/numeric/group_elimination.h"
#include "worker/numeric/loss_weighting.h"
#include "worker/numeric/rotary_selection.h"
#include "worker/numeric/spectrum.h"
#include "worker/stages/analyze/feature_groups.h"
#include "worker/stages/analyze/loss_metric.h"
#include "worker/tensor/host_access.h"
#include "worker/tensor/ops.h"

namespace cce {
namespace {

SubBlockSpectra spectra_of(Backend& backend, const LossMetric& metric, ConstMatrix centred,
                           bool for_threshold) {
  if (!for_threshold) {
    const auto count = std::min(static_cast<std::int64_t>(reported_eigenvalues), centred.rows);
    return {leading_eigenvalues(backend, centred, count), {}};
  }
  return {all_eigenvalues(backend, centred),
          weighted_singular_values(backend, metric.weighted_outputs.view())};
}

void analyze_ffn(Backend& backend, const LossMetric& metric, const JobSpec& spec, LayerAnalysis& result) {
  EliminationOptions options;
  options.block = spec.encode.elimination_block;
  options.ridge_lambda = covariance_ridge;
  result.ffn = eliminate_columns(backend, metric.covariance.view(), metric.weighted_outputs.view(), options);
}

/// The V/O directions of every KV group by what dropping them costs. G is the mean of the group's heads'
/// diagonal blocks of `metric.covariance`.
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

void analyze_attention(Backend& backend, const LayerShape& shape, const LossMetric& metric,
                       const LayerStatistics& statistics, double tokens,
                       const std::vector<HeadSpectrum>& spectra, LayerAnalysis& result) {
  result.vo_cost.assign(static_cast<std::size_t>(shape.vo_dim) + 1, 0.0);
  for (const HeadSpectrum& spectrum : spectra) {
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

AnalyzedLayer analyze_layer(Backend& backend, const LayerWeights& weights, const LayerStatistics& statistics,
                            double tokens, const JobSpec& spec, const TakeMap& take_map) {
  AnalyzedLayer result;
  const bool for_threshold = spec.target.kind == TargetKind::threshold;
  for (const SubBlock kind : {SubBlock::ffn, SubBlock::attention}) {
    if (!has(weights.shape, kind)) {
      continue;
    }
    const bool is_ffn = kind == SubBlock::ffn;
    const SubBlockStatistics& sums = is_ffn ? statistics.ffn : statistics.attention;
    const LossMetric metric =
        make_loss_metric(backend, sums, part_view(weights, output_part(kind)), tokens, spec.encode);
    if (is_ffn) {  // 1.
      analyze_ffn(backend, metric, spec, result.costs);
    } else {
      result.value_spectra = value_output_spectra(backend, weights.shape, metric);
      analyze_attention(backend, weights.shape, metric, statistics, tokens, result.value_spectra,
                        result.costs);
    }
    const OwnedMatrix centred = centred_covariance(backend, sums.covariance.view(), sums.feature_sum.view(),
                                                   static_cast<std::int64_t>(tokens));
    (is_ffn ? result.costs.ffn_spectra : result.costs.attention_spectra) =
        spectra_of(backend, metric, centred.view(), for_threshold);  // 2.
    take_map(kind, metric.output_weights.view(), centred.view());    // 3.
  }
  return result;
}

}  // namespace cce
